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

impl Format {
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
