//! Files and file systems. Values from include/uapi/{linux,asm-generic}/{fcntl,fs,stat,mount,inotify,fanotify}.h.

use super::{Table, decoders};

decoders! {
    "__tapdeck_open_flags" "Flags of open(2)." =
        Table::Choice { mask: 3, choices: &[
            (0, "O_RDONLY"), (1, "O_WRONLY"), (2, "O_RDWR"),
        ], bits: &[
            (0x410000, "O_TMPFILE"), (0x101000, "O_SYNC"), (0x40, "O_CREAT"), (0x80, "O_EXCL"),
            (0x100, "O_NOCTTY"), (0x200, "O_TRUNC"), (0x400, "O_APPEND"), (0x800, "O_NONBLOCK"),
            (0x1000, "O_DSYNC"), (0x2000, "FASYNC"), (0x4000, "O_DIRECT"), (0x8000, "O_LARGEFILE"),
            (0x10000, "O_DIRECTORY"), (0x20000, "O_NOFOLLOW"), (0x40000, "O_NOATIME"), (0x80000, "O_CLOEXEC"),
            (0x200000, "O_PATH"),
        ] };
    "__tapdeck_access_mode" "Mode of access(2)." =
        Table::Flags { zero: "F_OK", bits: &[(4, "R_OK"), (2, "W_OK"), (1, "X_OK")] };
    "__tapdeck_at_flags" "Flags of the *at calls." =
        Table::Flags { zero: "0x0", bits: &[
            (0x100, "AT_SYMLINK_NOFOLLOW"), (0x200, "AT_REMOVEDIR"), (0x400, "AT_SYMLINK_FOLLOW"),
            (0x800, "AT_NO_AUTOMOUNT"), (0x1000, "AT_EMPTY_PATH"), (0x2000, "AT_STATX_FORCE_SYNC"),
            (0x4000, "AT_STATX_DONT_SYNC"), (0x8000, "AT_RECURSIVE"),
        ] };
    "__tapdeck_fd_flags" "Flags of pipe2(2) and dup3(2)." =
        Table::Flags { zero: "0", bits: &[
            (0x800, "O_NONBLOCK"), (0x80000, "O_CLOEXEC"), (0x4000, "O_DIRECT"), (0x80, "O_NOTIFICATION_PIPE"),
        ] };
    "__tapdeck_faccess_flags" "Flags of faccessat2(2)." =
        Table::Flags { zero: "0x0", bits: &[
            (0x100, "AT_SYMLINK_NOFOLLOW"), (0x200, "AT_EACCESS"), (0x1000, "AT_EMPTY_PATH"),
        ] };
    "__tapdeck_whence" "Where lseek(2) counts from." =
        Table::Enum(&[(0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END"), (3, "SEEK_DATA"), (4, "SEEK_HOLE")]);
    "__tapdeck_fcntl_cmd" "Command of fcntl(2)." =
        Table::Enum(&[
            (0, "F_DUPFD"), (1, "F_GETFD"), (2, "F_SETFD"), (3, "F_GETFL"), (4, "F_SETFL"), (5, "F_GETLK"),
            (6, "F_SETLK"), (7, "F_SETLKW"), (8, "F_SETOWN"), (9, "F_GETOWN"), (10, "F_SETSIG"), (11, "F_GETSIG"),
            (15, "F_SETOWN_EX"), (16, "F_GETOWN_EX"), (36, "F_OFD_GETLK"), (37, "F_OFD_SETLK"),
            (38, "F_OFD_SETLKW"), (1024, "F_SETLEASE"), (1025, "F_GETLEASE"), (1026, "F_NOTIFY"),
            (1030, "F_DUPFD_CLOEXEC"), (1031, "F_SETPIPE_SZ"), (1032, "F_GETPIPE_SZ"), (1033, "F_ADD_SEALS"),
            (1034, "F_GET_SEALS"), (1035, "F_GET_RW_HINT"), (1036, "F_SET_RW_HINT"), (1037, "F_GET_FILE_RW_HINT"),
            (1038, "F_SET_FILE_RW_HINT"),
        ]);
    "__tapdeck_flock_op" "Operation of flock(2)." =
        Table::Flags { zero: "0", bits: &[(1, "LOCK_SH"), (2, "LOCK_EX"), (4, "LOCK_NB"), (8, "LOCK_UN")] };
    "__tapdeck_fallocate_mode" "Mode of fallocate(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "FALLOC_FL_KEEP_SIZE"), (2, "FALLOC_FL_PUNCH_HOLE"), (4, "FALLOC_FL_NO_HIDE_STALE"),
            (8, "FALLOC_FL_COLLAPSE_RANGE"), (0x10, "FALLOC_FL_ZERO_RANGE"), (0x20, "FALLOC_FL_INSERT_RANGE"),
            (0x40, "FALLOC_FL_UNSHARE_RANGE"),
        ] };
    "__tapdeck_fadvise" "Advice of posix_fadvise(2)." =
        Table::Enum(&[
            (0, "POSIX_FADV_NORMAL"), (1, "POSIX_FADV_RANDOM"), (2, "POSIX_FADV_SEQUENTIAL"),
            (3, "POSIX_FADV_WILLNEED"), (4, "POSIX_FADV_DONTNEED"), (5, "POSIX_FADV_NOREUSE"),
        ]);
    "__tapdeck_sync_range_flags" "Flags of sync_file_range(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "SYNC_FILE_RANGE_WAIT_BEFORE"), (2, "SYNC_FILE_RANGE_WRITE"), (4, "SYNC_FILE_RANGE_WAIT_AFTER"),
        ] };
    "__tapdeck_splice_flags" "Flags of splice(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "SPLICE_F_MOVE"), (2, "SPLICE_F_NONBLOCK"), (4, "SPLICE_F_MORE"), (8, "SPLICE_F_GIFT"),
        ] };
    "__tapdeck_rename_flags" "Flags of renameat2(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "RENAME_NOREPLACE"), (2, "RENAME_EXCHANGE"), (4, "RENAME_WHITEOUT"),
        ] };
    "__tapdeck_xattr_flags" "Flags of setxattr(2)." =
        Table::Flags { zero: "0", bits: &[(1, "XATTR_CREATE"), (2, "XATTR_REPLACE")] };
    "__tapdeck_statx_mask" "Mask of statx(2)." =
        Table::Flags { zero: "0", bits: &[
            (0x7ff, "STATX_BASIC_STATS"), (1, "STATX_TYPE"), (2, "STATX_MODE"), (4, "STATX_NLINK"),
            (8, "STATX_UID"), (0x10, "STATX_GID"), (0x20, "STATX_ATIME"), (0x40, "STATX_MTIME"),
            (0x80, "STATX_CTIME"), (0x100, "STATX_INO"), (0x200, "STATX_SIZE"), (0x400, "STATX_BLOCKS"),
            (0x800, "STATX_BTIME"), (0x1000, "STATX_MNT_ID"), (0x2000, "STATX_DIOALIGN"),
            (0x4000, "STATX_MNT_ID_UNIQUE"), (0x8000, "STATX_SUBVOL"),
        ] };
    "__tapdeck_mount_flags" "Flags of mount(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "MS_RDONLY"), (2, "MS_NOSUID"), (4, "MS_NODEV"), (8, "MS_NOEXEC"), (0x10, "MS_SYNCHRONOUS"),
            (0x20, "MS_REMOUNT"), (0x40, "MS_MANDLOCK"), (0x80, "MS_DIRSYNC"), (0x100, "MS_NOSYMFOLLOW"),
            (0x400, "MS_NOATIME"), (0x800, "MS_NODIRATIME"), (0x1000, "MS_BIND"), (0x2000, "MS_MOVE"),
            (0x4000, "MS_REC"), (0x8000, "MS_SILENT"), (0x10000, "MS_POSIXACL"), (0x20000, "MS_UNBINDABLE"),
            (0x40000, "MS_PRIVATE"), (0x80000, "MS_SLAVE"), (0x100000, "MS_SHARED"), (0x200000, "MS_RELATIME"),
            (0x400000, "MS_KERNMOUNT"), (0x800000, "MS_I_VERSION"), (0x1000000, "MS_STRICTATIME"),
            (0x2000000, "MS_LAZYTIME"),
        ] };
    "__tapdeck_umount_flags" "Flags of umount2(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "MNT_FORCE"), (2, "MNT_DETACH"), (4, "MNT_EXPIRE"), (8, "UMOUNT_NOFOLLOW"),
        ] };
    "__tapdeck_inotify_flags" "Flags of inotify_init1(2)." =
        Table::Flags { zero: "0", bits: &[(0x80000, "IN_CLOEXEC"), (0x800, "IN_NONBLOCK")] };
    "__tapdeck_inotify_mask" "Events of inotify(7)." =
        Table::Flags { zero: "0", bits: &[
            (0xfff, "IN_ALL_EVENTS"), (1, "IN_ACCESS"), (2, "IN_MODIFY"), (4, "IN_ATTRIB"), (8, "IN_CLOSE_WRITE"),
            (0x10, "IN_CLOSE_NOWRITE"), (0x20, "IN_OPEN"), (0x40, "IN_MOVED_FROM"), (0x80, "IN_MOVED_TO"),
            (0x100, "IN_CREATE"), (0x200, "IN_DELETE"), (0x400, "IN_DELETE_SELF"), (0x800, "IN_MOVE_SELF"),
            (0x2000, "IN_UNMOUNT"), (0x4000, "IN_Q_OVERFLOW"), (0x8000, "IN_IGNORED"), (0x1000000, "IN_ONLYDIR"),
            (0x2000000, "IN_DONT_FOLLOW"), (0x4000000, "IN_EXCL_UNLINK"), (0x10000000, "IN_MASK_CREATE"),
            (0x20000000, "IN_MASK_ADD"), (0x40000000, "IN_ISDIR"), (0x80000000, "IN_ONESHOT"),
        ] };
    "__tapdeck_fanotify_flags" "Flags of fanotify_init(2)." =
        Table::Flags { zero: "FAN_CLASS_NOTIF", bits: &[
            (1, "FAN_CLOEXEC"), (2, "FAN_NONBLOCK"), (4, "FAN_CLASS_CONTENT"), (8, "FAN_CLASS_PRE_CONTENT"),
            (0x10, "FAN_UNLIMITED_QUEUE"), (0x20, "FAN_UNLIMITED_MARKS"), (0x40, "FAN_ENABLE_AUDIT"),
            (0x80, "FAN_REPORT_PIDFD"), (0x100, "FAN_REPORT_TID"), (0x200, "FAN_REPORT_FID"),
            (0x400, "FAN_REPORT_DIR_FID"), (0x800, "FAN_REPORT_NAME"), (0x1000, "FAN_REPORT_TARGET_FID"),
        ] };
    "__tapdeck_fanotify_mark_flags" "Flags of fanotify_mark(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "FAN_MARK_ADD"), (2, "FAN_MARK_REMOVE"), (4, "FAN_MARK_DONT_FOLLOW"), (8, "FAN_MARK_ONLYDIR"),
            (0x10, "FAN_MARK_MOUNT"), (0x20, "FAN_MARK_IGNORED_MASK"), (0x40, "FAN_MARK_IGNORED_SURV_MODIFY"),
            (0x80, "FAN_MARK_FLUSH"), (0x100, "FAN_MARK_FILESYSTEM"), (0x200, "FAN_MARK_EVICTABLE"),
            (0x400, "FAN_MARK_IGNORE"),
        ] };
    "__tapdeck_memfd_flags" "Flags of memfd_create(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "MFD_CLOEXEC"), (2, "MFD_ALLOW_SEALING"), (4, "MFD_HUGETLB"), (8, "MFD_NOEXEC_SEAL"),
            (0x10, "MFD_EXEC"),
        ] };
    "__tapdeck_close_range_flags" "Flags of close_range(2)." =
        Table::Flags { zero: "0", bits: &[(2, "CLOSE_RANGE_UNSHARE"), (4, "CLOSE_RANGE_CLOEXEC")] };
    "__tapdeck_preadv2_flags" "Flags of preadv2(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "RWF_HIPRI"), (2, "RWF_DSYNC"), (4, "RWF_SYNC"), (8, "RWF_NOWAIT"), (0x10, "RWF_APPEND"),
            (0x20, "RWF_NOAPPEND"), (0x40, "RWF_ATOMIC"),
        ] };
    "__tapdeck_swap_flags" "Flags of swapon(2)." =
        Table::Flags { zero: "0", bits: &[(0x8000, "SWAP_FLAG_PREFER"), (0x10000, "SWAP_FLAG_DISCARD")] };
}
