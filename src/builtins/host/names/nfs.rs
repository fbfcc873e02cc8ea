//! NFS and files: error numbers, kinds of file, ways of creating one. function::nfsderror and its neighbours.

use super::{Builtin, Host, Table, Type, bytes, long_at, name_of, named};
use crate::builtins::{long, row};

pub static ROWS: &[Builtin] = &[
    row(
        "nfsderror",
        &[long("err")],
        Type::Str,
        Host(|args, _| {
            let number = i64::from((long_at(args, 0) as i32).swap_bytes());
            let name = name_of(NFS_ERRORS, number).map(|name| format!("({name})")).unwrap_or_default();
            Ok(bytes(format!("nfsderr {number}{name}")))
        }),
        "A status of the NFS protocol, in network order, with its name: nfsderr 2(NFSERR_NOENT).",
    )
    .pure()
    .at_most(63),
    named!("nfs3_cmode", CREATE_MODES, |n| bad_value(n), "The name of an NFSv3 way of creating a file: GUARDED for 1."),
    named!("nfs4_ctype", FILE_TYPES, |n| bad_value(n), "The name of an NFSv4 kind of file: NF4REG for 1."),
    row(
        "ftype",
        &[long("mode")],
        Type::Str,
        Host(|args, _| {
            let mode = long_at(args, 0);
            let name = name_of(KINDS, mode).unwrap_or("Unknown");
            Ok(bytes(format!("0{:o} ({name})", mode as u32)))
        }),
        "The kind of file of a mode in octal with its name: 0100000 (ISREG).",
    )
    .pure()
    .at_most(31),
    named!(
        "describe_data_direction",
        DIRECTIONS,
        |_n| invalid(),
        "The name of a DMA transfer's direction: TO_DEVICE for 1; or [INVALID]."
    ),
    named!(
        "describe_device_state",
        DEVICE_STATES,
        |_n| invalid(),
        "The name of a SCSI device's state: RUNNING for 2; or [INVALID]."
    ),
];

fn bad_value(number: i64) -> String {
    format!("Bad Value({number})")
}

fn invalid() -> String {
    "[INVALID]".to_owned()
}

/// RFC 1813 `createmode3`.
static CREATE_MODES: &Table = &[(0, "UNCHECKED"), (1, "GUARDED"), (2, "EXCLUSIVE")];

/// RFC 7530 `nfs_ftype4`.
#[rustfmt::skip]
static FILE_TYPES: &Table = &[
    (0, "NF4BAD"), (1, "NF4REG"), (2, "NF4DIR"), (3, "NF4BLK"), (4, "NF4CHR"), (5, "NF4LNK"), (6, "NF4SOCK"),
    (7, "NF4FIFO"), (8, "NF4ATTRDIR"), (9, "NF4NAMEDATTR"),
];

/// inode(7), the kind in `st_mode`.
#[rustfmt::skip]
static KINDS: &Table = &[
    (0o010_000, "ISFIFO"), (0o020_000, "ISCHR"), (0o040_000, "ISDIR"), (0o060_000, "ISBLK"), (0o100_000, "ISREG"),
    (0o120_000, "ISLNK"), (0o140_000, "ISSOCK"),
];

/// include/linux/dma-direction.h.
static DIRECTIONS: &Table = &[(0, "BIDIRECTIONAL"), (1, "TO_DEVICE"), (2, "FROM_DEVICE"), (3, "NONE")];

/// include/scsi/scsi_device.h `scsi_device_state`.
#[rustfmt::skip]
static DEVICE_STATES: &Table = &[
    (1, "CREATED"), (2, "RUNNING"), (3, "CANCEL"), (4, "DEL"), (5, "QUIESCE"), (6, "OFFLINE"),
];

/// include/linux/nfs.h `nfs_stat`, include/linux/nfs4.h `nfsstat4`.
#[rustfmt::skip]
static NFS_ERRORS: &Table = &[
    (0, "NFS_OK"), (1, "NFSERR_PERM"), (2, "NFSERR_NOENT"), (5, "NFSERR_IO"), (6, "NFSERR_NXIO"),
    (11, "NFSERR_EAGAIN"), (13, "NFSERR_ACCES"), (17, "NFSERR_EXIST"), (18, "NFSERR_XDEV"), (19, "NFSERR_NODEV"),
    (20, "NFSERR_NOTDIR"), (21, "NFSERR_ISDIR"), (22, "NFSERR_INVAL"), (27, "NFSERR_FBIG"), (28, "NFSERR_NOSPC"),
    (30, "NFSERR_ROFS"), (31, "NFSERR_MLINK"), (45, "NFSERR_OPNOTSUPP"), (63, "NFSERR_NAMETOOLONG"),
    (66, "NFSERR_NOTEMPTY"), (69, "NFSERR_DQUOT"), (70, "NFSERR_STALE"), (71, "NFSERR_REMOTE"),
    (10001, "NFSERR_BADHANDLE"), (10002, "NFSERR_NOT_SYNC"), (10003, "NFSERR_BAD_COOKIE"), (10004, "NFSERR_NOTSUPP"),
    (10005, "NFSERR_TOOSMALL"), (10006, "NFSERR_SERVERFAULT"), (10007, "NFSERR_BADTYPE"), (10008, "NFSERR_JUKEBOX"),
    (10009, "NFSERR_SAME"), (10010, "NFSERR_DENIED"), (10011, "NFSERR_EXPIRED"), (10012, "NFSERR_LOCKED"),
    (10013, "NFSERR_GRACE"), (10015, "NFSERR_SHARE_DENIED"), (10016, "NFSERR_WRONGSEC"), (10017, "NFSERR_CLID_INUSE"),
    (10018, "NFSERR_RESOURCE"), (10019, "NFSERR_MOVED"), (10020, "NFSERR_NOFILEHANDLE"),
    (10021, "NFSERR_MINOR_VERS_MISMATCH"), (10022, "NFSERR_STALE_CLIENTID"), (10023, "NFSERR_STALE_STATEID"),
    (10024, "NFSERR_OLD_STATEID"), (10025, "NFSERR_BAD_STATEID"), (10026, "NFSERR_BAD_SEQID"),
    (10027, "NFSERR_NOT_SAME"), (10029, "NFSERR_SYMLINK"), (10030, "NFSERR_RESTOREFH"), (10032, "NFSERR_ATTRNOTSUPP"),
    (10033, "NFSERR_NO_GRACE"), (10034, "NFSERR_RECLAIM_BAD"), (10036, "NFSERR_BAD_XDR"), (10037, "NFSERR_LOCKS_HELD"),
    (10038, "NFSERR_OPENMODE"), (10041, "NFSERR_BADNAME"), (10044, "NFSERR_OP_ILLEGAL"), (10045, "NFSERR_DEADLOCK"),
    (10048, "NFSERR_CB_PATH_DOWN"), (10049, "NFS4ERR_BADIOMODE"), (10050, "NFS4ERR_BADLAYOUT"),
    (10051, "NFS4ERR_BAD_SESSION_DIGEST"), (10052, "NFS4ERR_BADSESSION"), (10053, "NFS4ERR_BADSLOT"),
    (10054, "NFS4ERR_COMPLETE_ALREADY"), (10055, "NFS4ERR_CONN_NOT_BOUND_TO_SESSION"),
    (10056, "NFS4ERR_DELEG_ALREADY_WANTED"), (10057, "NFS4ERR_BACK_CHAN_BUSY"), (10058, "NFS4ERR_LAYOUTTRYLATER"),
    (10059, "NFS4ERR_LAYOUTUNAVAILABLE"), (10060, "NFS4ERR_NOMATCHING_LAYOUT"), (10061, "NFS4ERR_RECALLCONFLICT"),
    (10062, "NFS4ERR_UNKNOWN_LAYOUTTYPE"), (10063, "NFS4ERR_SEQ_MISORDERED"), (10064, "NFS4ERR_SEQUENCE_POS"),
    (10065, "NFS4ERR_REQ_TOO_BIG"), (10066, "NFS4ERR_REP_TOO_BIG"), (10067, "NFS4ERR_REP_TOO_BIG_TO_CACHE"),
    (10068, "NFS4ERR_RETRY_UNCACHED_REP"), (10069, "NFS4ERR_UNSAFE_COMPOUND"), (10070, "NFS4ERR_TOO_MANY_OPS"),
    (10071, "NFS4ERR_OP_NOT_IN_SESSION"), (10072, "NFS4ERR_HASH_ALG_UNSUPP"), (10074, "NFS4ERR_CLIENTID_BUSY"),
    (10075, "NFS4ERR_PNFS_IO_HOLE"), (10076, "NFS4ERR_SEQ_FALSE_RETRY"), (10077, "NFS4ERR_BAD_HIGH_SLOT"),
    (10078, "NFS4ERR_DEADSESSION"), (10079, "NFS4ERR_ENCR_ALG_UNSUPP"), (10080, "NFS4ERR_PNFS_NO_LAYOUT"),
    (10081, "NFS4ERR_NOT_ONLY_OP"), (10082, "NFS4ERR_WRONG_CRED"), (10083, "NFS4ERR_WRONG_TYPE"),
    (10084, "NFS4ERR_DIRDELEG_UNAVAIL"), (10085, "NFS4ERR_REJECT_DELEG"), (10086, "NFS4ERR_RETURNCONFLICT"),
    (10087, "NFS4ERR_DELEG_REVOKED"),
];
