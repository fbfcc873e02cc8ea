//! 64-bit floating point numbers carried as the bits of a long. function::fp_add and its neighbours.

use super::{Builtin, Host, Type, Value, bytes, long_at, str_at};
use crate::builtins::{Param, long, row, string};

const ONE: &[Param] = &[long("fp")];
const TWO: &[Param] = &[long("a"), long("b")];

macro_rules! binary {
    ($name:literal, |$a:ident, $b:ident| $result:expr, $doc:literal) => {
        row(
            $name,
            TWO,
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
    binary!("fp_add", |a, b| bits(a + b), "The sum of two floating point numbers."),
    binary!("fp_sub", |a, b| bits(a - b), "The difference of two floating point numbers."),
    binary!("fp_mul", |a, b| bits(a * b), "The product of two floating point numbers."),
    binary!("fp_div", |a, b| bits(a / b), "The quotient of two floating point numbers."),
    binary!("fp_rem", |a, b| bits(remainder(a, b)), "The IEEE remainder of two floating point numbers."),
    binary!("fp_eq", |a, b| i64::from(a == b), "1 when two floating point numbers are equal."),
    binary!("fp_le", |a, b| i64::from(a <= b), "1 when the first floating point number is not above the second."),
    binary!("fp_lt", |a, b| i64::from(a < b), "1 when the first floating point number is below the second."),
    row("fp_sqrt", ONE, Type::Long, Host(|args, _| Ok(Value::Long(bits(float(args, 0).sqrt())))), "The square root.")
        .pure(),
    row(
        "long_to_fp",
        &[long("n")],
        Type::Long,
        Host(|args, _| Ok(Value::Long(bits(long_at(args, 0) as f64)))),
        "A number as floating point.",
    )
    .pure(),
    row(
        "fp32_to_fp64",
        ONE,
        Type::Long,
        Host(|args, _| Ok(Value::Long(bits(f64::from(f32::from_bits(long_at(args, 0) as u32)))))),
        "A 32-bit floating point number as a 64-bit one.",
    )
    .pure(),
    row(
        "fp_to_long",
        &[long("fp"), long("rounding"), long("exact")],
        Type::Long,
        Host(|args, _| Ok(Value::Long(rounded(float(args, 0), long_at(args, 1)) as i64))),
        "A floating point number as a long; rounding 0 nearest even, 1 to zero, 2 down, 3 up, 4 nearest away.",
    )
    .pure(),
    row(
        "string_to_fp",
        &[string("text")],
        Type::Long,
        Host(|args, _| {
            let text = String::from_utf8_lossy(str_at(args, 0));
            Ok(Value::Long(bits(text.trim().parse().unwrap_or(0.0))))
        }),
        "A decimal text as floating point.",
    )
    .pure(),
    row(
        "fp_to_string",
        &[long("fp"), long("precision")],
        Type::Str,
        Host(|args, _| {
            let precision = long_at(args, 1).clamp(0, 64) as usize;
            Ok(bytes(format!("{:.precision$}", float(args, 0))))
        }),
        "A floating point number as text with that many digits after the point.",
    )
    .pure(),
];

fn float(args: &[Value], idx: usize) -> f64 {
    f64::from_bits(long_at(args, idx) as u64)
}

fn bits(value: f64) -> i64 {
    value.to_bits() as i64
}

fn remainder(a: f64, b: f64) -> f64 {
    a - b * (a / b).round_ties_even()
}

fn rounded(value: f64, mode: i64) -> f64 {
    match mode {
        1 => value.trunc(),
        2 => value.floor(),
        3 => value.ceil(),
        4 => value.round(),
        _ => value.round_ties_even(),
    }
}
