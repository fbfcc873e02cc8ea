//! The machine as a whole. function::sprint_loadavg, function::get_loadavg_index; proc(5), `/proc/loadavg`.

use super::{Builtin, Host, Type, Value, bytes, long_at};
use crate::builtins::{long, row};

pub static ROWS: &[Builtin] = &[
    row(
        "sprint_loadavg",
        &[],
        Type::Str,
        Host(|_, _| {
            let loads = loads()?;
            Ok(bytes(format!("{} {} {}\n", loads[0], loads[1], loads[2])))
        }),
        "The load of the last 1, 5 and 15 minutes, with two decimals each, and a line's end.",
    )
    .raises()
    .pure()
    .at_most(63),
    row(
        "get_loadavg_index",
        &[long("indx")],
        Type::Long,
        Host(|args, _| {
            let idx = long_at(args, 0);
            let load = usize::try_from(idx).ok().and_then(|idx| loads().ok()?.get(idx).cloned());
            let load = load.ok_or_else(|| format!("Invalid loadavg index {idx} specified."))?;
            Ok(Value::Long(load.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0)))
        }),
        "The load of the last 1 (indx 0), 5 (1) or 15 (2) minutes without its decimals; other numbers are an error.",
    )
    .raises()
    .pure(),
];

/// Three numbers with two decimals.
fn loads() -> Result<[String; 3], String> {
    let text = std::fs::read_to_string("/proc/loadavg").map_err(|error| format!("/proc/loadavg: {error}"))?;
    let mut fields = text.split(' ').map(str::to_owned);
    let mut next = || fields.next().ok_or_else(|| "/proc/loadavg: too short".to_owned());
    Ok([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Context, call, n};
    use crate::builtins::Value;

    #[test]
    fn loads_are_three_numbers() {
        let mut context = Context::default();
        let Ok(Value::Str(text)) = call(&mut context, "sprint_loadavg", &[]) else { panic!("no load") };
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.trim_end().split(' ').filter(|load| load.parse::<f64>().is_ok()).count(), 3, "{text}");
        assert!(matches!(call(&mut context, "get_loadavg_index", &[n(2)]), Ok(Value::Long(0..))));
        let error = call(&mut context, "get_loadavg_index", &[n(3)]);
        assert_eq!(error, Err("Invalid loadavg index 3 specified.".to_owned()));
    }
}
