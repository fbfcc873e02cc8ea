//! Text operations with SystemTap's corner cases; the code generator's versions agree with these.

/// Bytes `start..start + length` of a text, as many as there are. "" when a number is negative or out of range.
pub fn substr(text: &[u8], start: i64, length: i64) -> &[u8] {
    let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length)) else { return b"" };
    let rest = text.get(start..).unwrap_or_default();
    &rest[..rest.len().min(length)]
}

pub fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// 0 past the end.
pub fn byte_at(text: &[u8], index: i64) -> i64 {
    usize::try_from(index).ok().and_then(|index| text.get(index)).map_or(0, |byte| i64::from(*byte))
}

/// The number a text begins with, as the kernel's simple_strtol reads it: an optional `-`, a prefix by base (0: `0x` or
/// `0` decide), digits up to the first that is none. Blanks are not skipped, too large numbers wrap; the base is an
/// unsigned int.
pub fn to_long(text: &[u8], base: i64) -> i64 {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (base, digits) = match (base as u32, digits) {
        (0, [b'0', b'x' | b'X', next, ..]) if next.is_ascii_hexdigit() => (16, &digits[2..]),
        (0, [b'0', ..]) => (8, digits),
        (0, _) => (10, digits),
        (16, [b'0', b'x' | b'X', rest @ ..]) => (16, rest),
        (base, _) => (base, digits),
    };
    // Letters past f are no digits in any base.
    let values = digits.iter().map_while(|byte| char::from(*byte).to_digit(16).filter(|digit| *digit < base));
    let number = values.fold(0i64, |n, digit| n.wrapping_mul(i64::from(base)).wrapping_add(i64::from(digit)));
    if negative { number.wrapping_neg() } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        assert_eq!(substr(b"hello", 1, 3), b"ell");
        assert_eq!(substr(b"hello", 3, 30), b"lo");
        assert_eq!(substr(b"hello", -1, 3), b"");
        assert_eq!(substr(b"hello", 9, 3), b"");
        assert!(contains(b"hello", b"ll") && contains(b"", b"") && !contains(b"l", b"ll"));
        assert_eq!((byte_at(b"ab", 1), byte_at(b"ab", 2), byte_at(b"ab", -1)), (98, 0, 0));
    }

    #[test]
    fn numbers() {
        for (text, base, expected) in [
            ("42abc", 10, 42),
            ("-42", 10, -42),
            (" 42", 10, 0),
            ("0x1F", 16, 31),
            ("1f", 16, 31),
            ("0x1f", 0, 31),
            ("010", 0, 8),
            ("10", 0, 10),
            ("0x", 0, 0),
            ("9", 8, 0),
            ("", 10, 0),
            ("1fz", 36, 51),
            ("7", 99, 7),
            ("10", 1, 0),
            ("0x", 16, 0),
            ("101", 2, 5),
            ("-0x1g", 16, -1),
            ("18446744073709551615", 10, -1),
        ] {
            assert_eq!(to_long(text.as_bytes(), base), expected, "{text} in base {base}");
        }
    }
}
