//! Formats for `bpf_snprintf`: a dialect with fewer conversions than the script's (bpf-helpers(7), `bpf_bprintf_prepare`
//! in kernel/trace/bpf_trace.c of Linux 6.12): one conversion letter of `d i u x X s c`, flags ` 0+-`, a plain width, and
//! no letter or digit right behind `%s`.

use crate::language::format::{Conversion, ConversionKind, Flag, Format, Piece, Size};

/// The helper takes this many arguments.
const MAX_ARGS: usize = 12;

/// The same format for the kernel, or `None` when it cannot say it.
pub fn kernel_format(format: &Format) -> Option<Vec<u8>> {
    let (mut text, mut behind_strings) = (Vec::<u8>::new(), Vec::new());
    let mut n_args = 0;
    for piece in &format.pieces {
        match piece {
            Piece::Text(bytes) => {
                // The helper refuses anything but printable ASCII and white space.
                if !bytes.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace() || *b == 0x0b) {
                    return None;
                }
                for byte in bytes {
                    text.push(*byte);
                    if *byte == b'%' {
                        text.push(b'%');
                    }
                }
            }
            Piece::Conversion(conversion) => {
                n_args += 1;
                kernel_conversion(conversion, &mut text)?;
                if conversion.kind == ConversionKind::String {
                    behind_strings.push(text.len());
                }
            }
        }
    }
    let is_understood = |end: &usize| text.get(*end).is_none_or(|next| !next.is_ascii_alphanumeric());
    (n_args <= MAX_ARGS && behind_strings.iter().all(is_understood)).then_some(text)
}

fn kernel_conversion(conversion: &Conversion, text: &mut Vec<u8>) -> Option<()> {
    let width = match conversion.width {
        Size::Default => None,
        Size::Fixed(n) => Some(n),
        Size::Dynamic => return None,
    };
    if conversion.precision != Size::Default {
        return None;
    }
    let letters: &[u8] = match conversion.kind {
        ConversionKind::Signed => b"lld",
        ConversionKind::Unsigned => b"llu",
        ConversionKind::Hex => b"llx",
        ConversionKind::HexUpper => b"llX",
        ConversionKind::String => b"s",
        ConversionKind::Char if width.is_none() && conversion.flag.is_none() => b"c",
        ConversionKind::Pointer if width.is_none() && conversion.flag.is_none() => {
            text.extend_from_slice(b"0x%llx");
            return Some(());
        }
        _ => return None,
    };
    let mut flag = None;
    match conversion.flag {
        None => {}
        Some(Flag::Zero) if conversion.kind != ConversionKind::String => flag = Some(b'0'),
        Some(Flag::Plus) => flag = Some(b'+'),
        Some(Flag::Minus) => flag = Some(b'-'),
        Some(Flag::Space) => flag = Some(b' '),
        // `0x` without a width is plain text; anything else is not to be had.
        Some(Flag::Alternate) if width.is_none() && conversion.kind == ConversionKind::Hex => {
            text.extend_from_slice(b"0x");
        }
        Some(Flag::Alternate) if width.is_none() && conversion.kind == ConversionKind::HexUpper => {
            text.extend_from_slice(b"0X");
        }
        Some(_) => return None,
    }
    text.push(b'%');
    text.extend(flag);
    if let Some(width) = width {
        text.extend_from_slice(width.to_string().as_bytes());
    }
    text.extend_from_slice(letters);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversion(flag: Option<Flag>, width: Size, precision: Size, kind: ConversionKind) -> Format {
        Format { pieces: vec![Piece::Conversion(Conversion { flag, width, precision, kind })] }
    }

    #[test]
    fn says_what_the_helper_understands() {
        let plain = |kind| kernel_format(&conversion(None, Size::Default, Size::Default, kind));
        assert_eq!(plain(ConversionKind::Signed).as_deref(), Some(&b"%lld"[..]));
        assert_eq!(plain(ConversionKind::Pointer).as_deref(), Some(&b"0x%llx"[..]));
        assert_eq!(plain(ConversionKind::Octal), None);
        let padded = conversion(Some(Flag::Minus), Size::Fixed(12), Size::Default, ConversionKind::String);
        assert_eq!(kernel_format(&padded).as_deref(), Some(&b"%-12s"[..]));
        let cut = conversion(None, Size::Default, Size::Fixed(3), ConversionKind::String);
        assert_eq!(kernel_format(&cut), None);
        let text = Format { pieces: vec![Piece::Text(b"100%\n".to_vec())] };
        assert_eq!(kernel_format(&text).as_deref(), Some(&b"100%%\n"[..]));
        assert_eq!(kernel_format(&Format { pieces: vec![Piece::Text("é".into())] }), None);
        let followed = |by: Piece| {
            let mut format = conversion(None, Size::Default, Size::Default, ConversionKind::String);
            format.pieces.push(by);
            kernel_format(&format)
        };
        assert_eq!(followed(Piece::Text(b":1".to_vec())).as_deref(), Some(&b"%s:1"[..]));
        assert_eq!(followed(Piece::Text(b"b12".to_vec())), None);
        let pointer = conversion(None, Size::Default, Size::Default, ConversionKind::Pointer).pieces.remove(0);
        assert_eq!(followed(pointer), None);
    }
}
