//! Amounts for people. function::msecs_to_string, function::bytes_to_string.

use super::{Builtin, Host, Type, bytes, long_at};
use crate::builtins::{long, row};

pub static ROWS: &[Builtin] = &[
    row(
        "msecs_to_string",
        &[long("msecs")],
        Type::Str,
        Host(|args, _| Ok(bytes(duration(long_at(args, 0), 3)))),
        "Milliseconds as minutes and seconds: 2m3.004s.",
    )
    .pure()
    .at_most(47),
    row(
        "usecs_to_string",
        &[long("usecs")],
        Type::Str,
        Host(|args, _| Ok(bytes(duration(long_at(args, 0), 6)))),
        "Microseconds as minutes and seconds: 2m3.000004s.",
    )
    .pure()
    .at_most(47),
    row(
        "nsecs_to_string",
        &[long("nsecs")],
        Type::Str,
        Host(|args, _| Ok(bytes(duration(long_at(args, 0), 9)))),
        "Nanoseconds as minutes and seconds: 2m3.000000004s.",
    )
    .pure()
    .at_most(47),
    row(
        "bytes_to_string",
        &[long("bytes")],
        Type::Str,
        Host(|args, _| Ok(bytes(size(long_at(args, 0))))),
        "Bytes in five characters, or more when they come to 10000G: 1.50K, 10.2K, \" 123M\".",
    )
    .pure()
    .at_most(31),
];

/// `digits` of the number are behind the point of the seconds.
fn duration(amount: i64, digits: u32) -> String {
    let unit = 10i64.pow(digits);
    let (seconds, rest) = (amount / unit, amount % unit);
    let width = digits as usize;
    let sign = if rest < 0 { "-" } else { "" };
    format!("{}m{}.{sign}{:0width$}s", seconds / 60, seconds % 60, rest.abs())
}

/// Three digits of the number, unless it is below 1024 or has more before the point.
fn size(bytes: i64) -> String {
    let units = [(30, "G"), (20, "M"), (10, "K")];
    let Some((shift, unit)) = units.into_iter().find(|(shift, _)| bytes >> shift > 0) else {
        return format!("{bytes:>5}");
    };
    let (whole, rest) = (bytes >> shift, bytes & ((1 << shift) - 1));
    match whole {
        0..10 => format!("{whole}.{:02}{unit}", (rest * 100) >> shift),
        10..100 => format!("{whole}.{}{unit}", (rest * 10) >> shift),
        _ => format!("{whole:>4}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        assert_eq!(duration(123_004, 3), "2m3.004s");
        assert_eq!(duration(59_000_000_001, 9), "0m59.000000001s");
        assert_eq!(duration(-1, 3), "0m0.-001s");
        assert_eq!(duration(-3_000_000_004, 9), "0m-3.-000000004s");
        let sizes = [
            (512, "  512"),
            (1023, " 1023"),
            (1024, "1.00K"),
            (1035, "1.01K"),
            (9999, "9.76K"),
            (10_239, "9.99K"),
            (99_999, "97.6K"),
            (102_400, " 100K"),
            (1_048_575, "1023K"),
            (1_500_000_000, "1.39G"),
            (15_000_000_000_000, "13969G"),
            (i64::MAX, "8589934591G"),
            (-1024, "-1024"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
    }
}
