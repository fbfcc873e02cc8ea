//! Structures behind pointers: the first word is the pointer itself, so that NULL shows as NULL, the others are 8-byte
//! words read there.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Builtin, Host, Type, bytes, long_at, sockets};
use crate::builtins::{Value, host::text::quoted, long, row, string};

pub static ROWS: &[Builtin] = &[
    row(
        "__tapdeck_timespec",
        &[long("addr"), long("w0"), long("w1")],
        Type::Str,
        Host(|args, _| Ok(shown(args, |w| pair(w(0), w(1), "nsec")))),
        "A struct timespec.",
    )
    .pure(),
    row(
        "__tapdeck_timeval",
        &[long("addr"), long("w0"), long("w1")],
        Type::Str,
        Host(|args, _| Ok(shown(args, |w| pair(w(0), w(1), "usec")))),
        "A struct timeval.",
    )
    .pure(),
    row(
        "__tapdeck_timespecs",
        &[long("addr"), long("w0"), long("w1"), long("w2"), long("w3")],
        Type::Str,
        Host(|args, _| Ok(shown(args, |w| format!("[{}, {}]", file_time(w(0), w(1)), file_time(w(2), w(3)))))),
        "The two times of utimensat(2).",
    )
    .pure(),
    row(
        "__tapdeck_timevals",
        &[long("addr"), long("w0"), long("w1"), long("w2"), long("w3")],
        Type::Str,
        Host(|args, _| Ok(shown(args, |w| format!("[{}, {}]", pair(w(0), w(1), "usec"), pair(w(2), w(3), "usec"))))),
        "The two times of utimes(2).",
    )
    .pure(),
    row(
        "__tapdeck_itimerval",
        &[long("addr"), long("w0"), long("w1"), long("w2"), long("w3")],
        Type::Str,
        Host(|args, _| Ok(shown(args, |w| timer(w, "usec")))),
        "A struct itimerval.",
    )
    .pure(),
    row(
        "__tapdeck_itimerspec",
        &[long("addr"), long("w0"), long("w1"), long("w2"), long("w3")],
        Type::Str,
        Host(|args, _| Ok(shown(args, |w| timer(w, "nsec")))),
        "A struct itimerspec.",
    )
    .pure(),
    row(
        "__tapdeck_rlimit_value",
        &[long("addr"), long("w0"), long("w1")],
        Type::Str,
        Host(|args, _| Ok(shown(args, |w| format!("{{rlim_cur={}, rlim_max={}}}", limit(w(0)), limit(w(1)))))),
        "A struct rlimit.",
    )
    .pure(),
    row(
        "__tapdeck_sockaddr",
        &[long("addr"), long("len"), long("w0"), long("w1"), long("w2"), string("text")],
        Type::Str,
        Host(|args, _| Ok(sockaddr(args))),
        "A struct sockaddr: family, address, port or path.",
    )
    .pure(),
    row(
        "__tapdeck_argv",
        &[long("addr"), long("n0"), string("a0"), string("a1"), string("a2"), string("a3")],
        Type::Str,
        Host(|args, _| Ok(argv(args))),
        "Up to four texts of an argument vector.",
    )
    .pure(),
];

/// NULL, or what `show` makes of the words behind the pointer.
fn shown(args: &[Value], show: impl FnOnce(&dyn Fn(usize) -> i64) -> String) -> Value {
    if long_at(args, 0) == 0 {
        return bytes("NULL");
    }
    bytes(show(&|word| long_at(args, word + 1)))
}

fn pair(seconds: i64, fraction: i64, unit: &str) -> String {
    format!("{{tv_sec={seconds}, tv_{unit}={fraction}}}")
}

fn file_time(seconds: i64, nanoseconds: i64) -> String {
    match nanoseconds {
        0x3fff_ffff => "UTIME_NOW".to_owned(),
        0x3fff_fffe => "UTIME_OMIT".to_owned(),
        _ => pair(seconds, nanoseconds, "nsec"),
    }
}

fn timer(w: &dyn Fn(usize) -> i64, unit: &str) -> String {
    format!("{{it_interval={}, it_value={}}}", pair(w(0), w(1), unit), pair(w(2), w(3), unit))
}

fn limit(value: i64) -> String {
    if value == -1 { "RLIM64_INFINITY".to_owned() } else { (value as u64).to_string() }
}

/// Family in the first two bytes; then a port in network order and the address, or a path.
fn sockaddr(args: &[Value]) -> Value {
    if long_at(args, 0) == 0 {
        return bytes("NULL");
    }
    let mut raw = [0u8; 24];
    for word in 0..3 {
        raw[8 * word..8 * word + 8].copy_from_slice(&long_at(args, word + 2).to_le_bytes());
    }
    let family = u16::from_le_bytes([raw[0], raw[1]]);
    let name = sockets::DOMAIN.text(family.into());
    let port = u16::from_be_bytes([raw[2], raw[3]]);
    bytes(match family {
        1 => {
            let mut text = format!("{{{name}, ").into_bytes();
            match args.get(5) {
                Some(Value::Str(path)) => text.extend(quoted(path)),
                _ => text.extend(b"\"\""),
            }
            text.push(b'}');
            return Value::Str(text);
        }
        2 => format!("{{{name}, {}, {port}}}", Ipv4Addr::new(raw[4], raw[5], raw[6], raw[7])),
        10 => {
            let mut address = [0u8; 16];
            address.copy_from_slice(&raw[8..24]);
            format!("{{{name}, {}, {port}}}", Ipv6Addr::from(address))
        }
        16 => {
            let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
            format!("{{{name}, pid={}, groups={:08x}}}", word(4), word(8))
        }
        _ => format!("{{{name}}}"),
    })
}

fn argv(args: &[Value]) -> Value {
    if long_at(args, 0) == 0 {
        return bytes("NULL");
    }
    let n = long_at(args, 1).clamp(0, 5) as usize;
    let mut text = vec![b'['];
    for (idx, arg) in args.iter().skip(2).take(n.min(4)).enumerate() {
        if idx > 0 {
            text.extend(b", ");
        }
        if let Value::Str(arg) = arg {
            text.extend(quoted(arg));
        }
    }
    if n > 4 {
        text.extend(b", ...");
    }
    text.push(b']');
    Value::Str(text)
}
