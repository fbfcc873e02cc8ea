//! Addresses as text. function::ip_ntop, function::format_ipaddr.

use std::net::Ipv4Addr;

use super::{Builtin, Host, Type, Value, bytes, long_at};
use crate::builtins::{Param, long, row};

const AF_INET6: i64 = 10;

pub static ROWS: &[Builtin] = &[
    row(
        "ip_ntop",
        &[long("addr")],
        Type::Str,
        Host(|args, _| Ok(bytes(ipv4(long_at(args, 0))))),
        "An IPv4 address, as it lies in memory, with dots.",
    )
    .pure()
    .at_most(15),
    row(
        "__tapdeck_inet_text",
        &[long("family"), long("ipv4"), long("high"), long("low")],
        Type::Str,
        Host(|args, _| {
            if long_at(args, 0) != AF_INET6 {
                return Ok(bytes(ipv4(long_at(args, 1))));
            }
            let mut address = [0; 16];
            address[..8].copy_from_slice(&long_at(args, 2).to_le_bytes());
            address[8..].copy_from_slice(&long_at(args, 3).to_le_bytes());
            Ok(bytes(std::net::Ipv6Addr::from(address).to_string()))
        }),
        "An address with colons for AF_INET6, given as its two 8-byte words; else the IPv4 address with dots.",
    )
    .pure()
    .at_most(47),
    row("__tapdeck_bytes_hex", BYTES, Type::Str, Host(|args, _| Ok(bytes(hex(&given(args))))), HEX_DOC)
        .pure()
        .at_most(128),
    row("__tapdeck_bytes_text", BYTES, Type::Str, Host(|args, _| Ok(bytes(text(&given(args))))), TEXT_DOC)
        .pure()
        .at_most(64),
];

const HEX_DOC: &str = "Up to 64 bytes, given as their number and 8-byte words, in hexadecimal.";
const TEXT_DOC: &str = "Up to 64 bytes, given as their number and 8-byte words; those that are no characters are dots.";
const BYTES: &[Param] = &[
    long("length"),
    long("word0"),
    long("word1"),
    long("word2"),
    long("word3"),
    long("word4"),
    long("word5"),
    long("word6"),
    long("word7"),
];

fn given(args: &[Value]) -> Vec<u8> {
    let mut bytes: Vec<u8> = (1..args.len()).flat_map(|idx| long_at(args, idx).to_le_bytes()).collect();
    bytes.truncate(usize::try_from(long_at(args, 0)).unwrap_or(0));
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' }).collect()
}

/// The lowest byte is the first: the number was read from memory in network order.
fn ipv4(address: i64) -> String {
    Ipv4Addr::from((address as u32).to_le_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Context, call, n, s};

    #[test]
    fn addresses() {
        let mut context = Context::default();
        assert_eq!(call(&mut context, "ip_ntop", &[n(0x0100_007f)]), Ok(s("127.0.0.1")));
        assert_eq!(
            call(&mut context, "__tapdeck_inet_text", &[n(10), n(7), n(0), n(0x0100_0000_0000_0000)]),
            Ok(s("::1"))
        );
        assert_eq!(call(&mut context, "__tapdeck_inet_text", &[n(2), n(0x0100_007f), n(3), n(4)]), Ok(s("127.0.0.1")));
        let words = [n(5), n(0x0a31_2042_41ff_ffff_u64 as i64), n(7), n(0), n(0), n(0), n(0), n(0), n(0)];
        assert_eq!(call(&mut context, "__tapdeck_bytes_hex", &words), Ok(s("ffffff4142")));
        assert_eq!(call(&mut context, "__tapdeck_bytes_text", &words), Ok(s("...AB")));
    }
}
