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
        "Bytes in at most five characters: 1.5K, 123M.",
    )
    .pure()
    .at_most(31),
];

/// `digits` of the number are behind the point of the seconds.
fn duration(amount: i64, digits: u32) -> String {
    let unit = 10i64.pow(digits);
    let (seconds, rest) = (amount / unit, amount % unit);
    let width = digits as usize;
    format!("{}m{}.{:0width$}s", seconds / 60, seconds % 60, rest.abs())
}

fn size(bytes: i64) -> String {
    let (mut amount, mut rest, mut unit) = (bytes, 0, "");
    for next in ["K", "M", "G"] {
        if amount < 1024 {
            break;
        }
        (rest, unit) = (amount % 1024, next);
        amount /= 1024;
    }
    let text = if !unit.is_empty() && amount < 100 {
        format!("{amount}.{}{unit}", rest * 10 / 1024)
    } else {
        format!("{amount}{unit}")
    };
    format!("{text:>5}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        assert_eq!(duration(123_004, 3), "2m3.004s");
        assert_eq!(duration(59_000_000_001, 9), "0m59.000000001s");
        assert_eq!(["  512", " 1.5K", " 100K", " 2.0G"].map(str::to_owned), [512, 1536, 102_400, 2 << 30].map(size));
        assert_eq!(size(-5), "   -5");
    }
}
