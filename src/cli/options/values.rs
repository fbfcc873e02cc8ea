//! Values of options, read as stap does.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::Ending;

/// The value as text; bytes that are none show as `�`.
pub fn text(value: &OsStr) -> String {
    value.to_string_lossy().into_owned()
}

/// A decimal number as strtol(3) reads it; `None` when something else stands behind it. Too large is the largest.
pub fn number(value: &OsStr) -> Option<i64> {
    let text = value.to_str()?.trim_start();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) || (digits.is_empty() && !text.is_empty()) {
        return None;
    }
    let size = digits.bytes().fold(0i64, |n, digit| n.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Some(if negative { -size } else { size })
}

/// A number as strtoul(3) reads it in any base; `None` when it is none. Negative ones wrap, too large is the largest.
pub fn unsigned(value: &OsStr) -> Option<u64> {
    let text = value.to_str()?.trim_start();
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match rest.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &rest[2..]),
        [b'0', _, ..] => (8, &rest[1..]),
        _ => (10, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut n = 0u64;
    for c in digits.chars() {
        n = n.saturating_mul(u64::from(radix)).saturating_add(u64::from(c.to_digit(radix)?));
    }
    Some(if negative && n != u64::MAX { n.wrapping_neg() } else { n })
}

/// Seconds as strtod(3) reads them, in whole milliseconds; `None` unless they come to 1 ms up to 24 days.
pub fn milliseconds(value: &OsStr) -> Option<u64> {
    let text = value.to_str()?.trim_start();
    let seconds = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?.into(),
        None => text.parse::<f64>().ok()?,
    };
    let ms = (seconds * 1e3).trunc();
    (1.0..=f64::from(i32::MAX)).contains(&ms).then_some(ms as u64)
}

/// What may be part of a command line further down.
///
/// # Errors
/// stap's words about a value that does not fit.
pub fn safe(option: &str, value: &OsStr, pattern: &str) -> Result<String, Ending> {
    let regex = regex::bytes::RegexBuilder::new(pattern).case_insensitive(true).unicode(false).build();
    if regex.is_ok_and(|regex| regex.is_match(value.as_bytes())) {
        return Ok(text(value));
    }
    super::wrong(format!(
        "ERROR: Safety pattern mismatch for {option} parameter ('{}' vs. '{pattern}') rc=1",
        value.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_in_c() {
        let read = |text: &str| number(OsStr::new(text));
        assert_eq!([read("12"), read(" -5"), read("+5"), read("")], [Some(12), Some(-5), Some(5), Some(0)]);
        assert_eq!([read("1x"), read("0x10"), read("x"), read("-")], [None; 4]);
        assert_eq!(read("99999999999999999999"), Some(i64::MAX));
        let read = |text: &str| unsigned(OsStr::new(text));
        assert_eq!([read("0x10"), read("010"), read("0"), read("-1")], [Some(16), Some(8), Some(0), Some(u64::MAX)]);
        assert_eq!([read(""), read("1x"), read("0x"), read("08")], [None; 4]);
        assert_eq!(read("99999999999999999999999"), Some(u64::MAX));
    }

    #[test]
    fn times_are_milliseconds() {
        let read = |text: &str| milliseconds(OsStr::new(text));
        assert_eq!(
            [read("0.5"), read("1e3"), read(" 1"), read("0x1")],
            [Some(500), Some(1_000_000), Some(1000), Some(1000)]
        );
        assert_eq!([read("0.0004"), read("0"), read("-1"), read("nan"), read("inf"), read("1x"), read("")], [None; 7]);
        assert_eq!((read("2147483"), read("2147484")), (Some(2_147_483_000), None));
    }
}
