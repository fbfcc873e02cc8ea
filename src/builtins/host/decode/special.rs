//! Numbers whose text no plain table can give: two of them together, or a number beside names.

use super::{Builtin, Host, Table, Type, as_bits, bytes, decoder, long_at, processes, push_bits, signals, sockets};
use super::{system, waiting};
use crate::builtins::{Value, host::str_at, long, row, string};

pub static ROWS: &[Builtin] = &[
    decoder("__tapdeck_dirfd", |args, _| Ok(bytes(dirfd(long_at(args, 0)))), "The folder of an *at call."),
    decoder(
        "__tapdeck_file_mode",
        |args, _| Ok(bytes(file_mode(long_at(args, 0)))),
        "Type and permissions of mknod(2).",
    ),
    decoder("__tapdeck_signal", |args, _| Ok(bytes(signals::number_or_name(long_at(args, 0)))), "A signal's name."),
    decoder(
        "__tapdeck_sock_domain",
        |args, _| Ok(bytes(sockets::DOMAIN.text(long_at(args, 0)))),
        "Family of socket(2).",
    ),
    decoder("__tapdeck_clone_flags", |args, _| Ok(bytes(clone_flags(long_at(args, 0)))), "Flags of clone(2)."),
    decoder("__tapdeck_ipc_key", |args, _| Ok(bytes(ipc_key(long_at(args, 0)))), "A System V IPC key."),
    decoder("__tapdeck_ipc_flags", |args, _| Ok(bytes(ipc_flags(long_at(args, 0)))), "Flags of shmget(2) and friends."),
    decoder("__tapdeck_quota_cmd", |args, _| Ok(bytes(quota_cmd(long_at(args, 0)))), "Command of quotactl(2)."),
    decoder("__tapdeck_ioctl_cmd", |args, _| Ok(bytes(ioctl_cmd(long_at(args, 0)))), "Request of ioctl(2)."),
    decoder(
        "__tapdeck_syscall_name",
        |args, _| {
            let number = long_at(args, 0);
            Ok(bytes(super::syscalls::name(number).map_or_else(|| format!("syscall_{number}"), str::to_owned)))
        },
        "The name of a system call by its number.",
    )
    .at_most(31),
    decoder(
        "syscall_name",
        |args, _| Ok(bytes(super::syscalls::name(long_at(args, 0)).unwrap_or_default())),
        "The name of a system call by its number on this architecture; empty when there is none.",
    )
    .at_most(31),
    row(
        "syscall_num",
        &[string("name")],
        Type::Long,
        Host(|args, _| Ok(Value::Long(super::syscalls::number(str_at(args, 0)).unwrap_or(-1)))),
        "The number of a system call on this architecture; -1 when there is none of that name.",
    )
    .pure(),
    row(
        "__tapdeck_create_mode",
        &[long("flags"), long("mode")],
        Type::Str,
        Host(|args, _| Ok(bytes(create_mode(long_at(args, 0), long_at(args, 1))))),
        "The permissions of open(2) where they mean something, after a comma.",
    )
    .pure()
    .at_most(31),
    row(
        "__tapdeck_sockopt_name",
        &[long("level"), long("name")],
        Type::Str,
        Host(|args, _| Ok(bytes(sockopt_name(long_at(args, 0), long_at(args, 1))))),
        "The name of a socket option at its level.",
    )
    .pure()
    .at_most(63),
    row(
        "__tapdeck_sock_protocol",
        &[long("domain"), long("protocol")],
        Type::Str,
        Host(|args, _| Ok(bytes(sock_protocol(long_at(args, 0), long_at(args, 1))))),
        "The protocol of socket(2) in its family.",
    )
    .pure()
    .at_most(31),
];

fn dirfd(fd: i64) -> String {
    if fd as i32 == -100 { "AT_FDCWD".to_owned() } else { (fd as i32).to_string() }
}

fn octal(mode: u64) -> String {
    if mode == 0 { "0".to_owned() } else { format!("0{mode:o}") }
}

fn file_mode(mode: i64) -> String {
    let kind = match mode & 0o170_000 {
        0o010_000 => "S_IFIFO|",
        0o020_000 => "S_IFCHR|",
        0o040_000 => "S_IFDIR|",
        0o060_000 => "S_IFBLK|",
        0o100_000 => "S_IFREG|",
        0o120_000 => "S_IFLNK|",
        0o140_000 => "S_IFSOCK|",
        _ => return octal(as_bits(mode)),
    };
    format!("{kind}{}", octal((mode & 0o7777) as u64))
}

/// The low byte is the signal the parent gets.
fn clone_flags(flags: i64) -> String {
    let Table::Flags { bits, .. } = &processes::CLONE_BITS else { return flags.to_string() };
    let flags = as_bits(flags);
    let mut text = String::new();
    push_bits(bits, flags & !0xff, &mut text);
    let signal = (flags & 0xff) as i64;
    if signal != 0 || text.is_empty() {
        if !text.is_empty() {
            text.push('|');
        }
        text.push_str(&signals::number_or_name(signal));
    }
    text
}

fn ipc_key(key: i64) -> String {
    if key as u32 == 0 { "IPC_PRIVATE".to_owned() } else { format!("{:#x}", key as u32) }
}

/// The low nine bits are permissions.
fn ipc_flags(flags: i64) -> String {
    let Table::Flags { bits, .. } = &waiting::IPC_BITS else { return flags.to_string() };
    let flags = as_bits(flags);
    let mut text = String::new();
    push_bits(bits, flags & !0o777, &mut text);
    if !text.is_empty() {
        text.push('|');
    }
    text + &octal(flags & 0o777)
}

fn quota_cmd(cmd: i64) -> String {
    let kind = match cmd & 0xff {
        0 => "USRQUOTA".to_owned(),
        1 => "GRPQUOTA".to_owned(),
        2 => "PRJQUOTA".to_owned(),
        other => other.to_string(),
    };
    format!("QCMD({}, {kind})", system::QUOTA_SUBCMD.text((cmd as u32 >> 8).into()))
}

/// A known name, else its parts: direction, type, number and size.
fn ioctl_cmd(cmd: i64) -> String {
    let cmd = cmd as u32;
    let known = system::IOCTL_NAMES.text(cmd.into());
    if known != cmd.to_string() {
        return known;
    }
    let direction = match cmd >> 30 {
        0 => "_IOC_NONE",
        1 => "_IOC_WRITE",
        2 => "_IOC_READ",
        _ => "_IOC_READ|_IOC_WRITE",
    };
    format!("_IOC({direction}, {:#x}, {:#x}, {:#x})", cmd >> 8 & 0xff, cmd & 0xff, cmd >> 16 & 0x3fff)
}

fn create_mode(flags: i64, mode: i64) -> String {
    const O_CREAT: i64 = 0o100;
    const O_TMPFILE: i64 = 0o20_000_000;
    if flags & (O_CREAT | O_TMPFILE) == 0 { String::new() } else { format!(", {}", octal((mode & 0o7777) as u64)) }
}

fn sockopt_name(level: i64, name: i64) -> String {
    let table = match level as i32 {
        0 => &sockets::SOCKOPT_IP,
        1 => &sockets::SOCKOPT_SOCKET,
        6 => &sockets::SOCKOPT_TCP,
        17 => &sockets::SOCKOPT_UDP,
        41 => &sockets::SOCKOPT_IPV6,
        _ => return name.to_string(),
    };
    table.text(name)
}

fn sock_protocol(domain: i64, protocol: i64) -> String {
    match domain as i32 {
        2 | 10 => sockets::IP_PROTOCOL.text(protocol),
        16 => sockets::NETLINK_PROTOCOL.text(protocol),
        _ => protocol.to_string(),
    }
}
