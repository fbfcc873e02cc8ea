//! Numbers under the names the library's functions give them, and back: `sock_fam_num2str(2)` is `INET`. The tables are
//! data of the kernel's headers and of IANA; what nameless numbers are called is as each function's callers expect.

mod nfs;
mod sockets;
mod tcp;

use super::{Builtin, Host, Type, Value, bytes, long_at, str_at};

pub static SOCKETS: &[Builtin] = sockets::ROWS;
pub static TCP: &[Builtin] = tcp::ROWS;
pub static NFS: &[Builtin] = nfs::ROWS;

type Table = [(i64, &'static str)];

const NUMBER: &[crate::builtins::Param] = &[crate::builtins::long("number")];
const NAME: &[crate::builtins::Param] = &[crate::builtins::string("name")];

/// The longest name in bytes.
const MAX_NAME: u16 = 47;

fn name_of(table: &Table, number: i64) -> Option<&'static str> {
    table.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
}

/// -1 when nothing has that name.
fn number_of(table: &Table, name: &[u8]) -> i64 {
    table.iter().find(|(_, known)| known.as_bytes() == name).map_or(-1, |(n, _)| *n)
}

/// The names of the bits that are set, joined by `|`; bits without a name are left out.
fn bits(table: &Table, value: i64) -> String {
    let names: Vec<&str> = table.iter().filter(|(bit, _)| value >> bit & 1 != 0).map(|(_, name)| *name).collect();
    names.join("|")
}

/// A function that gives a number's name.
macro_rules! named {
    ($function:literal, $table:expr, |$n:ident| $nameless:expr, $doc:literal) => {
        crate::builtins::row(
            $function,
            super::NUMBER,
            super::Type::Str,
            super::Host(|args, _| {
                let $n = super::long_at(args, 0);
                Ok(super::bytes(super::name_of($table, $n).map_or_else(|| $nameless, str::to_owned)))
            }),
            $doc,
        )
        .pure()
        .at_most(super::MAX_NAME)
    };
}

/// A function that gives the number of a name.
macro_rules! numbered {
    ($function:literal, $table:expr, $doc:literal) => {
        crate::builtins::row(
            $function,
            super::NAME,
            super::Type::Long,
            super::Host(|args, _| Ok(super::Value::Long(super::number_of($table, super::str_at(args, 0))))),
            $doc,
        )
        .pure()
    };
}

/// A function that gives the names of a number's bits.
macro_rules! flagged {
    ($function:literal, $table:expr, $doc:literal) => {
        crate::builtins::row(
            $function,
            super::NUMBER,
            super::Type::Str,
            super::Host(|args, _| Ok(super::bytes(super::bits($table, super::long_at(args, 0))))),
            $doc,
        )
        .pure()
    };
}

use {flagged, named, numbered};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let table: &Table = &[(1, "ONE"), (5, "FIVE")];
        assert_eq!((name_of(table, 5), name_of(table, 2)), (Some("FIVE"), None));
        assert_eq!((number_of(table, b"ONE"), number_of(table, b"one")), (1, -1));
        assert_eq!(bits(table, 0b10_0011), "ONE|FIVE");
    }

    #[test]
    fn no_name_is_longer_than_said() {
        for row in [SOCKETS, TCP, NFS].into_iter().flatten().filter(|row| row.max_len == Some(MAX_NAME)) {
            let Host(function) = row.implementation else { panic!("{}", row.name) };
            for number in (-2..20_000).chain([i64::MIN, i64::MAX]) {
                let text = function(&[Value::Long(number)], &mut super::super::tests::Context::default()).unwrap();
                let Value::Str(text) = text else { panic!("{}", row.name) };
                assert!(text.len() <= usize::from(MAX_NAME), "{}({number})", row.name);
            }
        }
    }
}
