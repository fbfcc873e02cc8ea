//! Format pieces and arguments to bytes. SystemTap's printf differs from C's: one flag only, zeros pad even with a
//! precision, `#` prefixes 0 too, `%b` is raw bytes, `%m` and `%M` dump memory; stap(1) "PRINTING".
//!
//! Runs once for every printed line, so it allocates nothing: numbers go through a buffer on the stack.

use crate::language::format::{Conversion, ConversionKind, Flag, Format, Piece, Size};

/// The most a width or precision may ask for: SystemTap's buffer for one print.
const MAX_PAD: usize = 8192;

/// An argument, borrowed from the record or value it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintArg<'a> {
    Long(i64),
    Str(&'a [u8]),
    /// The bytes `%m` and `%M` show, already read.
    Memory(&'a [u8]),
}

/// Appends the formatted text. Missing arguments count as 0 and "", surplus ones are ignored.
pub fn format(format: &Format, args: &[PrintArg<'_>], out: &mut Vec<u8>) {
    let mut args = args.iter().copied();
    for piece in &format.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Conversion(conversion) => convert(conversion, &mut args, out),
        }
    }
}

fn convert<'a>(conversion: &Conversion, args: &mut impl Iterator<Item = PrintArg<'a>>, out: &mut Vec<u8>) {
    let width = size(conversion.width, args);
    let precision = size(conversion.precision, args);
    let flag = conversion.flag;
    let arg = args.next().unwrap_or(PrintArg::Long(0));
    let number = match arg {
        PrintArg::Long(n) => n,
        PrintArg::Str(bytes) | PrintArg::Memory(bytes) => {
            match conversion.kind {
                ConversionKind::Memory => memory(bytes, false, flag, width, precision, out),
                ConversionKind::MemoryHex => memory(bytes, true, flag, width, precision, out),
                _ => string(bytes, flag, width, precision, out),
            }
            return;
        }
    };
    match conversion.kind {
        ConversionKind::Signed if flag.is_none() && width.is_none() && precision.is_none() => decimal(number, out),
        ConversionKind::Signed => {
            let sign = match flag {
                _ if number < 0 => "-",
                Some(Flag::Plus) => "+",
                Some(Flag::Space) => " ",
                _ => "",
            };
            integer(number.unsigned_abs(), 10, false, sign, flag, width, precision, out);
        }
        ConversionKind::Unsigned => integer(number as u64, 10, false, "", flag, width, precision, out),
        ConversionKind::Octal => {
            let prefix = if flag == Some(Flag::Alternate) { "0" } else { "" };
            integer(number as u64, 8, false, prefix, flag, width, precision, out);
        }
        ConversionKind::Hex | ConversionKind::HexUpper | ConversionKind::Pointer => {
            let upper = conversion.kind == ConversionKind::HexUpper;
            let prefix = match (conversion.kind, flag) {
                (ConversionKind::Pointer, _) | (ConversionKind::Hex, Some(Flag::Alternate)) => "0x",
                (ConversionKind::HexUpper, Some(Flag::Alternate)) => "0X",
                _ => "",
            };
            integer(number as u64, 16, upper, prefix, flag, width, precision, out);
        }
        ConversionKind::Char => character(number as u8, flag, width, out),
        ConversionKind::Binary => binary(number, flag, width, precision, out),
        // Pass 2 gives these no plain numbers; nothing was read.
        ConversionKind::String | ConversionKind::Memory | ConversionKind::MemoryHex => {
            string(b"", flag, width, precision, out);
        }
    }
}

/// `None` when the format does not say; a negative dynamic size is 0.
fn size<'a>(size: Size, args: &mut impl Iterator<Item = PrintArg<'a>>) -> Option<usize> {
    let asked = match size {
        Size::Default => return None,
        Size::Fixed(n) => n as usize,
        Size::Dynamic => match args.next() {
            Some(PrintArg::Long(n)) => usize::try_from(n).unwrap_or(0),
            _ => 0,
        },
    };
    Some(asked.min(MAX_PAD))
}

/// The plain `%d`.
pub fn decimal(number: i64, out: &mut Vec<u8>) {
    let mut buffer = [0; 22];
    let digits = digits(number.unsigned_abs(), 10, false, &mut buffer);
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits);
}

fn digits(mut number: u64, base: u64, upper: bool, buffer: &mut [u8; 22]) -> &[u8] {
    let symbols = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = symbols[(number % base) as usize];
        number /= base;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one conversion, all its parts")]
fn integer(
    number: u64,
    base: u64,
    upper: bool,
    prefix: &str,
    flag: Option<Flag>,
    width: Option<usize>,
    precision: Option<usize>,
    out: &mut Vec<u8>,
) {
    let mut buffer = [0; 22];
    let digits = digits(number, base, upper, &mut buffer);
    let n_digits = digits.len().max(precision.unwrap_or(0));
    let pad = width.unwrap_or(0).saturating_sub(prefix.len() + n_digits);
    let (before, zeros, after) = match flag {
        Some(Flag::Minus) => (0, 0, pad),
        Some(Flag::Zero) => (0, pad, 0),
        _ => (pad, 0, 0),
    };
    fill(b' ', before, out);
    out.extend_from_slice(prefix.as_bytes());
    fill(b'0', zeros + n_digits - digits.len(), out);
    out.extend_from_slice(digits);
    fill(b' ', after, out);
}

fn string(bytes: &[u8], flag: Option<Flag>, width: Option<usize>, precision: Option<usize>, out: &mut Vec<u8>) {
    let shown = &bytes[..bytes.len().min(precision.unwrap_or(usize::MAX))];
    padded(shown, flag, width, out);
    if flag == Some(Flag::Zero) {
        out.push(0);
    }
}

fn padded(text: &[u8], flag: Option<Flag>, width: Option<usize>, out: &mut Vec<u8>) {
    let pad = width.unwrap_or(0).saturating_sub(text.len());
    if flag != Some(Flag::Minus) {
        fill(b' ', pad, out);
    }
    out.extend_from_slice(text);
    if flag == Some(Flag::Minus) {
        fill(b' ', pad, out);
    }
}

fn character(byte: u8, flag: Option<Flag>, width: Option<usize>, out: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    let text: &[u8] = match byte {
        _ if flag != Some(Flag::Alternate) || byte == b' ' || byte.is_ascii_graphic() => {
            buffer[0] = byte;
            &buffer[..1]
        }
        0x07 => b"\\a",
        0x08 => b"\\b",
        b'\t' => b"\\t",
        b'\n' => b"\\n",
        0x0b => b"\\v",
        0x0c => b"\\f",
        b'\r' => b"\\r",
        _ => {
            buffer = [b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)];
            &buffer
        }
    };
    padded(text, flag, width, out);
}

/// Little endian. The size comes from the precision, else the width, and is 8 when that is not 1, 2, 4 or 8.
fn binary(number: i64, flag: Option<Flag>, width: Option<usize>, precision: Option<usize>, out: &mut Vec<u8>) {
    let valid = |n: &usize| matches!(n, 1 | 2 | 4 | 8);
    let size = precision.filter(valid).or(width.filter(valid)).unwrap_or(8);
    let pad = width.unwrap_or(0).saturating_sub(size);
    if flag != Some(Flag::Minus) {
        fill(0, pad, out);
    }
    out.extend_from_slice(&number.to_le_bytes()[..size]);
    if flag == Some(Flag::Minus) {
        fill(0, pad, out);
    }
}

fn memory(
    bytes: &[u8],
    hex: bool,
    flag: Option<Flag>,
    width: Option<usize>,
    precision: Option<usize>,
    out: &mut Vec<u8>,
) {
    let shown = &bytes[..bytes.len().min(precision.unwrap_or(1))];
    if !hex {
        return padded(shown, flag, width, out);
    }
    let pad = width.unwrap_or(0).saturating_sub(2 * shown.len());
    if flag != Some(Flag::Minus) {
        fill(b' ', pad, out);
    }
    for byte in shown {
        out.extend_from_slice(&[
            b"0123456789abcdef"[usize::from(byte >> 4)],
            b"0123456789abcdef"[usize::from(byte & 15)],
        ]);
    }
    if flag == Some(Flag::Minus) {
        fill(b' ', pad, out);
    }
}

fn fill(byte: u8, n: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + n, byte);
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    /// A small reader of format text, so that tests look like scripts.
    fn pieces(text: &str) -> Format {
        let mut format = Format::default();
        let mut rest = text.bytes().peekable();
        while let Some(byte) = rest.next() {
            if byte != b'%' || rest.peek() == Some(&b'%') {
                if byte == b'%' {
                    rest.next();
                }
                format.pieces.push(Piece::Text(vec![byte]));
                continue;
            }
            let flag = match rest.peek() {
                Some(b'0') => Some(Flag::Zero),
                Some(b'+') => Some(Flag::Plus),
                Some(b'-') => Some(Flag::Minus),
                Some(b' ') => Some(Flag::Space),
                Some(b'#') => Some(Flag::Alternate),
                _ => None,
            };
            if flag.is_some() {
                rest.next();
            }
            let mut size = |first: bool| {
                if !first && rest.next_if_eq(&b'.').is_none() {
                    return Size::Default;
                }
                if rest.next_if_eq(&b'*').is_some() {
                    return Size::Dynamic;
                }
                let mut n = None;
                while let Some(digit) = rest.next_if(u8::is_ascii_digit) {
                    n = Some(n.unwrap_or(0) * 10 + u32::from(digit - b'0'));
                }
                n.map_or(Size::Default, Size::Fixed)
            };
            let (width, precision) = (size(true), size(false));
            let kind = match rest.next().unwrap() {
                b'd' => ConversionKind::Signed,
                b'u' => ConversionKind::Unsigned,
                b'o' => ConversionKind::Octal,
                b'x' => ConversionKind::Hex,
                b'X' => ConversionKind::HexUpper,
                b'p' => ConversionKind::Pointer,
                b's' => ConversionKind::String,
                b'c' => ConversionKind::Char,
                b'b' => ConversionKind::Binary,
                b'm' => ConversionKind::Memory,
                b'M' => ConversionKind::MemoryHex,
                other => panic!("%{}", other as char),
            };
            format.pieces.push(Piece::Conversion(Conversion { flag, width, precision, kind }));
        }
        format
    }

    fn check(text: &str, args: &[PrintArg<'_>], expected: expect_test::Expect) {
        let mut out = Vec::new();
        format(&pieces(text), args, &mut out);
        expected.assert_eq(&out.escape_ascii().to_string());
    }

    use PrintArg::{Long, Memory, Str};

    #[test]
    fn numbers() {
        check("%d|%5d|%-5d|%05d|%+d|% d", &[-1, 42, 42, -42, 7, 7].map(Long), expect!["-1|   42|42   |-0042|+7| 7"]);
        check("%u %x %X %o", &[-1, 255, 255, 8].map(Long), expect!["18446744073709551615 ff FF 10"]);
        check("%#x %#X %#o %#x %#o", &[0, 10, 1, 255, 0].map(Long), expect!["0x0 0XA 01 0xff 00"]);
        check("%p|%20p|%-8p|", &[0x1234abcd, 0, 1].map(Long), expect!["0x1234abcd|                 0x0|0x1     |"]);
        check("%.3d|%08.3d|%8.3d", &[5, 5, -5].map(Long), expect!["005|00000005|    -005"]);
        check("%d %d", &[i64::MIN, i64::MAX].map(Long), expect!["-9223372036854775808 9223372036854775807"]);
    }

    #[test]
    fn strings() {
        check("[%s][%6s][%-6s][%.2s][%6.1s]", &[Str(b"abc"); 5], expect!["[abc][   abc][abc   ][ab][     a]"]);
        check("%0s|%%", &[Str(b"ab")], expect![r"ab\x00|%"]);
        check("%*s|%*d|%.*s", &[Long(5), Str(b"ab"), Long(-3), Long(1), Long(1), Str(b"xyz")], expect!["   ab|1|x"]);
    }

    #[test]
    fn characters() {
        check("%#c %#c %#c %c", &[0, 9, 42, 65].map(Long), expect![r"\\000 \\t * A"]);
        check("%3c|%-3c|%#6c|", &[65, 66, 255].map(Long), expect![r"  A|B  |  \\377|"]);
    }

    #[test]
    fn raw_bytes() {
        check("%4b", &[Long(0x1234abcd)], expect![r"\xcd\xab4\x12"]);
        check("%b", &[Long(1)], expect![r"\x01\x00\x00\x00\x00\x00\x00\x00"]);
        check("%4.1b|%-4.2b", &[Long(7), Long(8)], expect![r"\x00\x00\x00\x07|\x08\x00\x00\x00"]);
        check("%10.4M|%.2m|%M", &[Memory(b"\x01\x02\xff\x00"); 3], expect![r"  0102ff00|\x01\x02|01"]);
    }

    #[test]
    fn absurd_sizes_are_bounded() {
        let mut out = Vec::new();
        format(&pieces("%*d"), &[Long(i64::MAX), Long(1)], &mut out);
        assert_eq!(out.len(), MAX_PAD);
    }
}
