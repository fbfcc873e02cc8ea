//! Bytes of packets as text.

use super::{Builtin, Host, Type, Value, bytes, long_at};
use crate::builtins::{Param, long, row};

pub static ROWS: &[Builtin] = &[
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

#[cfg(test)]
mod tests {
    use super::super::tests::{Context, call, n, s};

    #[test]
    fn bytes_of_packets() {
        let mut context = Context::default();
        let words = [n(5), n(0x0a31_2042_41ff_ffff_u64 as i64), n(7), n(0), n(0), n(0), n(0), n(0), n(0)];
        assert_eq!(call(&mut context, "__tapdeck_bytes_hex", &words), Ok(s("ffffff4142")));
        assert_eq!(call(&mut context, "__tapdeck_bytes_text", &words), Ok(s("...AB")));
    }
}
