//! printf formats as data: pieces of text and conversions. The same pieces format in user space and type-check in pass 2.

use super::types::Type;

/// A whole format, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Format {
    pub pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Bytes to copy, `%%` already a single `%`.
    Text(Vec<u8>),
    Conversion(Conversion),
}

/// `%[flag][width][.prec]conv`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conversion {
    pub flag: Option<Flag>,
    pub width: Size,
    pub precision: Size,
    pub kind: ConversionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flag {
    Zero,
    Plus,
    Minus,
    Space,
    Alternate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    Default,
    Fixed(u32),
    /// `*`: the next argument, a long.
    Dynamic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConversionKind {
    /// `d`, `i`
    Signed,
    /// `u`
    Unsigned,
    /// `o`
    Octal,
    /// `x`
    Hex,
    /// `X`
    HexUpper,
    /// `p`
    Pointer,
    /// `s`
    String,
    /// `c`
    Char,
    /// `b`
    Binary,
    /// `m`
    Memory,
    /// `M`
    MemoryHex,
}

/// Why a format is no format: SystemTap has one message for all of it.
pub const INVALID: &str = "invalid or missing conversion specifier";

/// Why a format that ends in the middle of a conversion is none.
const INCOMPLETE: &str = "trailing incomplete print format conversion";

/// Parses the text of a printf. At most one flag and one `l` a conversion.
pub fn parse(bytes: &[u8]) -> Result<Format, String> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            text.push(*first);
            continue;
        }
        match rest {
            [b'%', tail @ ..] => {
                text.push(b'%');
                rest = tail;
            }
            _ => {
                let (conversion, tail) = conversion(rest)?;
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Conversion(conversion));
                rest = tail;
            }
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(Format { pieces })
}

/// What stands after a `%`, and what is left.
fn conversion(mut rest: &[u8]) -> Result<(Conversion, &[u8]), String> {
    let invalid = || INVALID.to_owned();
    let flag = match rest.first().ok_or_else(invalid)? {
        b'0' => Some(Flag::Zero),
        b'+' => Some(Flag::Plus),
        b'-' => Some(Flag::Minus),
        b' ' => Some(Flag::Space),
        b'#' => Some(Flag::Alternate),
        _ => None,
    };
    if flag.is_some() {
        rest = &rest[1..];
    }
    let width;
    (width, rest) = size(rest).ok_or_else(invalid)?;
    let mut precision = Size::Default;
    if let [b'.', tail @ ..] = rest {
        (precision, rest) = size(tail).ok_or_else(invalid)?;
        // `%.s` is `%.0s`.
        if precision == Size::Default {
            precision = Size::Fixed(0);
        }
    }
    if let [b'l', tail @ ..] = rest {
        rest = tail;
    }
    let Some((letter, rest)) = rest.split_first() else {
        return Err(INCOMPLETE.to_owned());
    };
    let kind = match letter {
        b'd' | b'i' => ConversionKind::Signed,
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
        _ => return Err(invalid()),
    };
    Ok((Conversion { flag, width, precision, kind }, rest))
}

/// `*`, digits or nothing; `None` for a number no line is that long.
fn size(rest: &[u8]) -> Option<(Size, &[u8])> {
    if let [b'*', tail @ ..] = rest {
        return Some((Size::Dynamic, tail));
    }
    let n_digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if n_digits == 0 {
        return Some((Size::Default, rest));
    }
    let value: u32 = std::str::from_utf8(&rest[..n_digits]).ok()?.parse().ok()?;
    (value <= i32::MAX as u32).then_some((Size::Fixed(value), &rest[n_digits..]))
}

impl ConversionKind {
    pub fn letter(self) -> char {
        match self {
            ConversionKind::Signed => 'd',
            ConversionKind::Unsigned => 'u',
            ConversionKind::Octal => 'o',
            ConversionKind::Hex => 'x',
            ConversionKind::HexUpper => 'X',
            ConversionKind::Pointer => 'p',
            ConversionKind::String => 's',
            ConversionKind::Char => 'c',
            ConversionKind::Binary => 'b',
            ConversionKind::Memory => 'm',
            ConversionKind::MemoryHex => 'M',
        }
    }
}

impl Format {
    /// The bytes that parse to this format.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => {
                    for byte in text {
                        out.extend(std::iter::repeat_n(*byte, if *byte == b'%' { 2 } else { 1 }));
                    }
                }
                Piece::Conversion(conversion) => {
                    out.push(b'%');
                    out.extend(conversion.flag.map(|flag| match flag {
                        Flag::Zero => b'0',
                        Flag::Plus => b'+',
                        Flag::Minus => b'-',
                        Flag::Space => b' ',
                        Flag::Alternate => b'#',
                    }));
                    let mut size = |prefix: &str, size: Size| match size {
                        Size::Default => {}
                        Size::Fixed(n) => out.extend(format!("{prefix}{n}").bytes()),
                        Size::Dynamic => out.extend(format!("{prefix}*").bytes()),
                    };
                    size("", conversion.width);
                    size(".", conversion.precision);
                    out.push(conversion.kind.letter() as u8);
                }
            }
        }
        out
    }

    /// The type each argument must have, `*` sizes included, in order of consumption.
    pub fn arg_types(&self) -> Vec<Type> {
        let mut types = Vec::new();
        for piece in &self.pieces {
            let Piece::Conversion(conversion) = piece else { continue };
            for size in [conversion.width, conversion.precision] {
                if size == Size::Dynamic {
                    types.push(Type::Long);
                }
            }
            types.push(if conversion.kind == ConversionKind::String { Type::Str } else { Type::Long });
        }
        types
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        let shown = match parse(text.as_bytes()) {
            Ok(format) => String::from_utf8(format.to_bytes()).unwrap(),
            Err(_) => "invalid".to_owned(),
        };
        assert_eq!(shown, wanted, "{text}");
    }

    #[test]
    fn formats_round_trip() {
        for text in ["", "a", "%d", "%-10s|%5d", "%%", "%#x%08d", "%*.*s", "%.3s", "%+d % d", "%c%b%m%M%p%o%u%X"] {
            check(text, text);
        }
        check("100%", "invalid");
        check("%ld %li", "%d %d");
        check("%.s", "%.0s");
    }

    #[test]
    fn bad_formats() {
        for text in ["%y", "%-+d", "%lld", "%5", "%n", "%99999999999d", "% ", "%."] {
            check(text, "invalid");
        }
    }
}
