//! Dates. UTC as the kernel counts, or the time zone tapdeck was started in. function::ctime, function::tz_ctime.

use std::sync::LazyLock;

use chrono::{DateTime, Local, Offset};

use super::{Builtin, Host, Type, Value, bytes, long_at};
use crate::builtins::{long, row};

pub static ROWS: &[Builtin] = &[
    row(
        "ctime",
        &[long("epochsecs")],
        Type::Str,
        Host(|args, _| ctime(long_at(args, 0)).map(bytes)),
        "Seconds since 1970 as a date and time in UTC: Wed Jun 30 21:49:08 1993.",
    )
    .raises()
    .pure()
    .at_most(31),
    row(
        "ctime",
        &[],
        Type::Str,
        Host(|_, context| ctime(context.realtime_ns() / 1_000_000_000).map(bytes)),
        "The date and time in UTC: Wed Jun 30 21:49:08 1993.",
    )
    .at_most(31),
    row(
        "tz_ctime",
        &[long("epochsecs")],
        Type::Str,
        Host(|args, _| {
            let zone = &*ZONE;
            let local = ctime(long_at(args, 0).wrapping_add(zone.east_s))?;
            Ok(bytes(format!("{local} {}", zone.name)))
        }),
        "Seconds since 1970 as a date and time of the local time zone, with its name.",
    )
    .raises()
    .pure()
    .at_most(47),
    row(
        "tz_gmtoff",
        &[],
        Type::Long,
        Host(|_, _| Ok(Value::Long(-ZONE.east_s))),
        "Seconds the local time zone is west of UTC.",
    )
    .pure(),
    row("tz_name", &[], Type::Str, Host(|_, _| Ok(bytes(ZONE.name.as_str()))), "The name of the local time zone.")
        .pure()
        .at_most(15),
];

/// Always 24 characters.
///
/// # Errors
/// Outside what 32 bits of seconds reach, as SystemTap.
fn ctime(seconds: i64) -> Result<String, String> {
    let reachable = i32::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds.into(), 0));
    match reachable {
        Some(time) => Ok(time.format("%a %b %e %H:%M:%S %Y").to_string()),
        None if seconds < 0 => Err("Time too far in the past to be converted".to_owned()),
        None => Err("Time too far in the future to be converted".to_owned()),
    }
}

/// The zone when tapdeck first asked.
struct Zone {
    east_s: i64,
    name: String,
}

static ZONE: LazyLock<Zone> = LazyLock::new(|| {
    let east_s = i64::from(Local::now().offset().fix().local_minus_utc());
    let file = match std::env::var("TZ") {
        Ok(zone) if !zone.is_empty() => format!("/usr/share/zoneinfo/{}", zone.trim_start_matches(':')),
        _ => "/etc/localtime".to_owned(),
    };
    let name = std::fs::read(file).ok().and_then(|bytes| abbreviation(&bytes, east_s));
    Zone { east_s, name: name.unwrap_or_else(|| if east_s == 0 { "UTC".to_owned() } else { offset_name(east_s) }) }
});

/// `+0530`.
fn offset_name(east_s: i64) -> String {
    let sign = if east_s < 0 { '-' } else { '+' };
    format!("{sign}{:02}{:02}", east_s.abs() / 3600, east_s.abs() / 60 % 60)
}

/// The zone's short name at an offset, out of the first block of a TZif file; RFC 9636 3.2.
///
/// ```text
///   44 bytes of header (six counts at 20: isutcnt isstdcnt leapcnt timecnt typecnt charcnt)
///   timecnt * 4 times, timecnt * 1 type indices, typecnt * 6 (offset i32, is_dst u8, name index u8), charcnt names
/// ```
fn abbreviation(file: &[u8], east_s: i64) -> Option<String> {
    let count = |idx: usize| Some(u32::from_be_bytes(file.get(20 + 4 * idx..24 + 4 * idx)?.try_into().ok()?) as usize);
    if !file.starts_with(b"TZif") {
        return None;
    }
    let (n_times, n_types) = (count(3)?, count(4)?);
    let types = file.get(44 + 5 * n_times..)?;
    let names = types.get(6 * n_types..)?;
    let found = types.get(..6 * n_types)?.chunks(6).rev().find(|entry| {
        entry.first_chunk::<4>().is_some_and(|offset| i64::from(i32::from_be_bytes(*offset)) == east_s)
    })?;
    let name = names.get(usize::from(*found.get(5)?)..)?;
    let name = &name[..name.iter().position(|byte| *byte == 0)?];
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(ctime(0).unwrap(), "Thu Jan  1 00:00:00 1970");
        assert_eq!(ctime(-2_147_483_648).unwrap(), "Fri Dec 13 20:45:52 1901");
        assert_eq!(ctime(2_147_483_647).unwrap(), "Tue Jan 19 03:14:07 2038");
        assert!(ctime(2_147_483_648).is_err() && ctime(i64::MIN).is_err());
    }

    #[test]
    fn zone_names() {
        let mut file = b"TZif2".to_vec();
        file.resize(44, 0);
        file[20 + 16 + 3] = 2;
        file.extend(3600i32.to_be_bytes());
        file.extend([0, 0]);
        file.extend(7200i32.to_be_bytes());
        file.extend([1, 4]);
        file.extend(b"CET\0CEST\0");
        assert_eq!(abbreviation(&file, 7200).unwrap(), "CEST");
        assert_eq!(abbreviation(&file, 3600).unwrap(), "CET");
        assert_eq!(abbreviation(&file, 0), None);
        assert_eq!(abbreviation(b"TZif", 0), None);
        assert_eq!(offset_name(-12_600), "-0330");
    }
}
