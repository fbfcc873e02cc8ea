//! 64-bit floating point numbers carried as the bits of a long. function::fp_add and its neighbours.

use super::{Builtin, Host, Type, Value, bytes, long_at, str_at};
use crate::builtins::{long, row, string};

macro_rules! binary {
    ($name:literal, $first:literal, $second:literal, |$a:ident, $b:ident| $result:expr, $doc:literal) => {
        row(
            $name,
            &[long($first), long($second)],
            Type::Long,
            Host(|args, _| {
                let ($a, $b) = (float(args, 0), float(args, 1));
                Ok(Value::Long($result))
            }),
            $doc,
        )
        .pure()
    };
}

pub static ROWS: &[Builtin] = &[
    binary!("fp_add", "add1", "add2", |a, b| bits(a + b), "The sum of two floating point numbers."),
    binary!("fp_sub", "sub1", "sub2", |a, b| bits(a - b), "The difference of two floating point numbers."),
    binary!("fp_mul", "mul1", "mul2", |a, b| bits(a * b), "The product of two floating point numbers."),
    binary!("fp_div", "div1", "div2", |a, b| bits(a / b), "The quotient of two floating point numbers."),
    binary!("fp_rem", "div1", "div2", |a, b| bits(remainder(a, b)), "The IEEE remainder of two floating point numbers."),
    binary!("fp_eq", "infp1", "infp2", |a, b| i64::from(a == b), "1 when two floating point numbers are equal."),
    binary!("fp_le", "infp1", "infp2", |a, b| i64::from(a <= b), "1 when the first floating point number is not above the second."),
    binary!("fp_lt", "infp1", "infp2", |a, b| i64::from(a < b), "1 when the first floating point number is below the second."),
    row("fp_sqrt", &[long("infp")], Type::Long, Host(|args, _| Ok(Value::Long(bits(float(args, 0).sqrt())))), "The square root.")
        .pure(),
    row(
        "long_to_fp",
        &[long("input")],
        Type::Long,
        Host(|args, _| Ok(Value::Long(bits(long_at(args, 0) as f64)))),
        "A number as floating point.",
    )
    .pure(),
    row(
        "fp32_to_fp64",
        &[long("input")],
        Type::Long,
        Host(|args, _| Ok(Value::Long(bits(f64::from(f32::from_bits(long_at(args, 0) as u32)))))),
        "A 32-bit floating point number as a 64-bit one.",
    )
    .pure(),
    row(
        "fp_to_long",
        &[long("infp"), long("roundingMode"), long("exact")],
        Type::Long,
        Host(|args, _| Ok(Value::Long(rounded(float(args, 0), long_at(args, 1)) as i64))),
        "A floating point number as a long, at most the largest there is; rounding 0 to nearest, 2 down, 3 up, 4 to nearest and halves away from 0, others towards 0.",
    )
    .pure(),
    row(
        "string_to_fp",
        &[string("input")],
        Type::Long,
        Host(|args, _| parsed(str_at(args, 0)).map(|number| Value::Long(bits(number)))),
        "A decimal text, possibly with a point and an exponent, as floating point; anything else is a script error.",
    )
    .raises()
    .pure(),
    row(
        "fp_to_string",
        &[long("infp"), long("precision")],
        Type::Str,
        Host(|args, _| {
            let precision = long_at(args, 1).clamp(0, 64) as usize;
            Ok(bytes(text(float(args, 0), precision)))
        }),
        "A floating point number as text with that many digits after the point; NaN, Infinity, -Infinity.",
    )
    .pure(),
];

fn float(args: &[Value], idx: usize) -> f64 {
    f64::from_bits(long_at(args, idx) as u64)
}

fn bits(value: f64) -> i64 {
    value.to_bits() as i64
}

/// IEEE 754-2008 5.3.1 remainder: a minus b times the integer nearest to a / b, exact.
fn remainder(a: f64, b: f64) -> f64 {
    // Rust's % truncates the quotient and is exact, as fmod(3).
    let rest = a % b;
    let half = b.abs() / 2.0;
    let odd = (a % (2.0 * b)).abs() >= b.abs();
    let over = rest.abs() > half || (rest.abs() == half && odd);
    if over { rest - b.abs().copysign(rest) } else { rest }
}

fn rounded(value: f64, mode: i64) -> f64 {
    match mode {
        0 => value.round_ties_even(),
        2 => value.floor(),
        3 => value.ceil(),
        4 => value.round(),
        _ => value.trunc(),
    }
}

/// # Errors
/// When it is no decimal number. An empty text is 0, a sign alone 0 with that sign.
fn parsed(text: &[u8]) -> Result<f64, String> {
    let invalid = || "invalid format".to_owned();
    let text = std::str::from_utf8(text).map_err(|_| invalid())?;
    if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
        return Err(invalid());
    }
    match text {
        "" | "+" => Ok(0.0),
        "-" => Ok(-0.0),
        text => text.parse().map_err(|_| invalid()),
    }
}

fn text(value: f64, precision: usize) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    format!("{value:.precision$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_back() {
        for (given, shown) in
            [("1", "1.000"), ("-.5", "-0.500"), ("5.", "5.000"), ("1e3", "1000.000"), ("", "0.000"), ("-", "-0.000")]
        {
            assert_eq!(text(parsed(given.as_bytes()).unwrap(), 3), shown, "{given}");
        }
        for wrong in ["abc", " 1", "1 ", "1.2.3", "1x", "0x10", "inf", "nan"] {
            assert_eq!(parsed(wrong.as_bytes()), Err("invalid format".to_owned()), "{wrong}");
        }
        assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|n| text(n, 2)), ["NaN", "Infinity", "-Infinity"]);
        assert_eq!(text(-0.5, 0), "-0");
    }

    #[test]
    fn rounding() {
        let modes = |value: f64| [-1, 0, 1, 2, 3, 4, 5].map(|mode| rounded(value, mode) as i64);
        assert_eq!(modes(2.5), [2, 2, 2, 2, 3, 3, 2]);
        assert_eq!(modes(-2.5), [-2, -2, -2, -3, -2, -3, -2]);
        assert_eq!(modes(3.5), [3, 4, 3, 3, 4, 4, 3]);
        assert_eq!(modes(-2.6), [-2, -3, -2, -3, -2, -3, -2]);
    }

    #[test]
    fn remainders_are_of_the_nearest_multiple() {
        let cases = [
            (7.0, 4.0, -1.0),
            (5.0, 4.0, 1.0),
            (6.0, 4.0, -2.0),
            (2.0, 4.0, 2.0),
            (-7.0, 4.0, 1.0),
            (10.0, 4.0, 2.0),
            (1e300, 7.0, 1e300 % 7.0),
            (8e15 + 5.0, 7.0, -3.0),
        ];
        for (a, b, expected) in cases {
            assert_eq!(remainder(a, b), expected, "{a} {b}");
        }
        assert!(remainder(7.0, 0.0).is_nan());
        assert_eq!(remainder(5.0, f64::INFINITY), 5.0);
    }
}
