//! Addresses as text. function::ip_ntop, function::format_ipaddr.

use std::net::Ipv4Addr;

use super::{Builtin, Host, Type, bytes, long_at};
use crate::builtins::{long, row};

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
];

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
    }
}
