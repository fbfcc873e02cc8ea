//! Numbers, keys and buckets as a person reads them: short forms, units, percentiles with their bounds, and the names and
//! units of columns as the script's text suggests them.

use std::time::Duration;

use crate::runtime::session::{Datum, StatValue};

/// What a statistic's samples are, when the script makes it plain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    #[default]
    Plain,
    Ns,
    Us,
    Ms,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Unit::Plain => "",
            Unit::Ns => "ns",
            Unit::Us => "us",
            Unit::Ms => "ms",
        }
    }
}

/// Between the parts of a key's identity; no part has it, since control characters are shown as dots.
pub const KEY_SEPARATOR: char = '\x1f';

/// A key as text; parts are joined by [`KEY_SEPARATOR`].
pub fn identity(keys: &[Datum]) -> String {
    let mut out = String::new();
    for (n, key) in keys.iter().enumerate() {
        if n > 0 {
            out.push(KEY_SEPARATOR);
        }
        out.push_str(&datum(key));
    }
    out
}

/// A value on one line.
pub fn datum(value: &Datum) -> String {
    match value {
        Datum::Long(n) => n.to_string(),
        Datum::Str(bytes) => {
            String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '·' } else { c }).collect()
        }
        Datum::Stat(stat) => format!(
            "count {} avg {:.1}",
            stat.count,
            if stat.count == 0 { 0.0 } else { stat.sum as f64 / stat.count as f64 }
        ),
    }
}

/// A whole number in at most `width` columns if a suffix can make it so.
pub fn whole(n: i64, width: usize) -> String {
    let text = n.to_string();
    if text.len() <= width { text } else { short(n as f64) }
}

/// Three digits and a suffix: `12.4k`, `3.01M`, `0`.
pub fn short(n: f64) -> String {
    let magnitude = n.abs();
    if magnitude < 999.5 {
        return if magnitude >= 10.0 || n.fract() == 0.0 { format!("{n:.0}") } else { format!("{n:.1}") };
    }
    let (mut value, mut suffix) = (n, "");
    for next in ["k", "M", "G", "T", "P", "E"] {
        if value.abs() < 999.5 {
            break;
        }
        value /= 1000.0;
        suffix = next;
    }
    if value.abs() < 10.0 {
        format!("{value:.2}{suffix}")
    } else if value.abs() < 100.0 {
        format!("{value:.1}{suffix}")
    } else {
        format!("{value:.0}{suffix}")
    }
}

/// `40 ms`, `0.4 s`, `12 s`.
pub fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.1 => format!("{:.0} ms", seconds * 1e3),
        ..1.0 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// Bytes: `640`, `1.4K`, `12M`.
pub fn bytes(n: u64) -> String {
    let (mut value, mut suffix) = (n as f64, "B");
    for next in ["K", "M", "G", "T"] {
        if value < 1000.0 {
            break;
        }
        value /= 1024.0;
        suffix = next;
    }
    if suffix == "B" || value >= 100.0 { format!("{value:.0}{suffix}") } else { format!("{value:.1}{suffix}") }
}

/// A sample of a statistic with its unit: `4.1us`, `1.32ms`, `640`.
pub fn sample(value: f64, unit: Unit) -> String {
    let chain: &[&str] = match unit {
        Unit::Plain => {
            return if value.abs() >= 1e7 {
                short(value)
            } else if value.fract().abs() < 0.05 || value.abs() >= 1000.0 {
                format!("{value:.0}")
            } else {
                format!("{value:.1}")
            };
        }
        Unit::Ns => &["ns", "us", "ms", "s"],
        Unit::Us => &["us", "ms", "s"],
        Unit::Ms => &["ms", "s"],
    };
    let (mut value, mut name) = (value, chain[0]);
    for next in &chain[1..] {
        if value.abs() < 999.5 {
            break;
        }
        value /= 1000.0;
        name = next;
    }
    if value.fract() == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}{name}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}{name}")
    } else {
        format!("{value:.2}{name}")
    }
}

/// A bucket's lower bound, short.
pub fn bucket_label(low: i64, unit: Unit) -> String {
    if unit == Unit::Plain {
        return if low.unsigned_abs() < 100_000 { low.to_string() } else { power(low) };
    }
    let text = sample(low as f64, unit);
    // One digit after the point is plenty for a bucket of twice its lower bound.
    match text.split_once('.') {
        Some((head, tail)) => {
            let (digits, name) = tail.split_at(tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len()));
            if head.len() > 1 || digits.starts_with('0') {
                format!("{head}{name}")
            } else {
                format!("{head}.{}{name}", &digits[..1])
            }
        }
        None => text,
    }
}

/// Powers of two as people know them: 131072 is 128K.
fn power(n: i64) -> String {
    let (mut value, mut suffix) = (n, "");
    for next in ["K", "M", "G", "T", "P", "E"] {
        if value % 1024 != 0 || value == 0 {
            break;
        }
        value /= 1024;
        suffix = next;
    }
    format!("{value}{suffix}")
}

/// Duration as `02:14`, `1:02:14`.
pub fn clock(seconds: u64) -> String {
    if seconds < 3600 {
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    } else {
        format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// As [`clock`], in whole minutes.
pub fn clock_minutes(seconds: u64) -> String {
    let minutes = seconds / 60;
    if minutes < 60 { format!("{minutes} min") } else { format!("{} h {:02} min", minutes / 60, minutes % 60) }
}

/// The range a log2 bucket covers, both ends inside. Bucket 0 holds 0, bucket 4 holds 4..=7, bucket -4 holds -7..=-4.
pub fn bucket_range(bucket: i64) -> (i64, i64) {
    match bucket {
        0 => (0, 0),
        b if b > 0 => (b, b.saturating_mul(2).saturating_sub(1)),
        b => (b.saturating_mul(2).saturating_add(1), b),
    }
}

/// Between which values the `p`-th part (0 to 1) of the samples lies; exact within its bucket.
pub fn percentile(stat: &StatValue, p: f64) -> Option<(i64, i64)> {
    let total: u64 = stat.log2.iter().map(|(_, n)| n).sum();
    let rank = ((total as f64 * p).ceil() as u64).max(1);
    let mut seen = 0;
    // Ascending by value: negative buckets come with the most negative first.
    for (bucket, n) in &stat.log2 {
        seen += n;
        if seen >= rank {
            let (low, high) = bucket_range(*bucket);
            return Some((low.max(stat.min), high.min(stat.max)));
        }
    }
    None
}

/// `4us-7us`, or one value where the bucket leaves no doubt.
pub fn bounds((low, high): (i64, i64), unit: Unit) -> String {
    let (a, b) = (sample(low as f64, unit), sample(high as f64, unit));
    if a == b {
        return a;
    }
    // `8-15us`: a unit both share is said once.
    let unit_of = |text: &str| text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-').to_owned();
    let name = unit_of(&a);
    if !name.is_empty() && name == unit_of(&b) {
        format!("{}-{b}", a.trim_end_matches(&name))
    } else {
        format!("{a}-{b}")
    }
}

/// All buckets from the first to the last that holds something, empty ones between included.
pub fn dense_buckets(log2: &[(i64, u64)]) -> Vec<(i64, u64)> {
    let (Some((first, _)), Some((last, _))) = (log2.first(), log2.last()) else { return Vec::new() };
    let mut out = Vec::new();
    let mut at = *first;
    loop {
        out.push((at, log2.iter().find(|(bucket, _)| *bucket == at).map_or(0, |(_, n)| *n)));
        if at >= *last || out.len() > 130 {
            return out;
        }
        at = match at {
            -1 => 0,
            0 => 1,
            n if n < 0 => n / 2,
            n => n.saturating_mul(2),
        };
    }
}

/// Names for an array's key columns, read off the script: `lat[execname(), pid()]` gives `execname`, `pid`.
pub fn key_names(script: &str, table: &str, n: usize) -> Vec<String> {
    let mut best: Option<Vec<String>> = None;
    for inside in uses(script, table) {
        let parts = split_arguments(inside);
        if parts.len() != n {
            continue;
        }
        let telling = parts.iter().any(|part| part.contains('(') || part.contains('$'));
        let names = parts.iter().enumerate().map(|(idx, part)| key_name(part, idx)).collect();
        if telling {
            return names;
        }
        best.get_or_insert(names);
    }
    best.unwrap_or_else(|| (1..=n).map(|idx| if n == 1 { "key".to_owned() } else { format!("key{idx}") }).collect())
}

fn key_name(part: &str, idx: usize) -> String {
    let part = part.trim();
    let head = part.split('(').next().unwrap_or("").trim_start_matches(['$', '@']);
    let simple = !head.is_empty() && head.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '>' || c == '-');
    if simple && !head.starts_with(|c: char| c.is_ascii_digit()) {
        let name = head.rsplit("->").next().unwrap_or(head);
        return name.strip_prefix("sprint_").unwrap_or(name).to_owned();
    }
    format!("key{}", idx + 1)
}

/// The text between the brackets of every `table[…]`.
fn uses<'a>(script: &'a str, table: &'a str) -> impl Iterator<Item = &'a str> {
    script.match_indices(table).filter_map(move |(at, _)| {
        let whole = !script[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == '@');
        let rest = script[at + table.len()..].trim_start_matches(' ');
        let inside = rest.strip_prefix('[').filter(|_| whole)?;
        let mut depth = 0;
        for (end, c) in inside.char_indices() {
            match c {
                '(' | '[' => depth += 1,
                ']' if depth == 0 => return Some(&inside[..end]),
                ')' | ']' => depth -= 1,
                '\n' => return None,
                _ => (),
            }
        }
        None
    })
}

fn split_arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                out.push(text[start..at].trim());
                start = at + 1;
            }
            _ => (),
        }
    }
    out.push(text[start..].trim());
    out
}

/// The unit of a statistic, only where the script leaves no doubt: a difference of two clocks, not scaled.
pub fn unit_of(script: &str, table: &str) -> Unit {
    for line in script.lines() {
        let Some((head, tail)) = line.split_once("<<<") else { continue };
        let named = head.trim_start().rsplit(|c: char| "{;) ".contains(c)).any(|word| {
            word.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.trim_start().starts_with('['))
        }) || head.contains(&format!("{table}["));
        if !named || !tail.contains('-') || tail.contains(['/', '*', '>']) {
            continue;
        }
        for (unit, clock) in
            [(Unit::Ns, "gettimeofday_ns"), (Unit::Us, "gettimeofday_us"), (Unit::Ms, "gettimeofday_ms")]
        {
            if tail.contains(clock) {
                return unit;
            }
        }
    }
    Unit::Plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times() {
        let said: Vec<String> = [4, 99, 460, 3400].map(|ms| seconds(Duration::from_millis(ms))).into();
        assert_eq!(said, ["4 ms", "99 ms", "0.5 s", "3 s"].map(str::to_owned));
    }

    #[test]
    fn numbers() {
        let shorts: Vec<_> = [0.0, 7.25, 999.0, 999.7, 12_400.0, 3_010_000.0, -1500.0].map(short).into();
        assert_eq!(shorts, ["0", "7.2", "999", "1.00k", "12.4k", "3.01M", "-1.50k"]);
        assert_eq!(whole(18234, 9), "18234");
        assert_eq!(whole(i64::MAX, 9), "9.22E");
        assert_eq!(bytes(1434), "1.4K");
        assert_eq!(clock(134), "02:14");
        assert_eq!(clock(3734), "1:02:14");
    }

    #[test]
    fn samples_and_buckets() {
        assert_eq!(sample(880.2, Unit::Us), "880us");
        assert_eq!(sample(1320.0, Unit::Us), "1.32ms");
        assert_eq!(sample(4.1, Unit::Plain), "4.1");
        assert_eq!(bucket_label(1024, Unit::Ns), "1us");
        assert_eq!(bucket_label(4096, Unit::Us), "4.1ms");
        assert_eq!(bucket_label(2048, Unit::Plain), "2048");
        assert_eq!(bucket_label(1 << 20, Unit::Plain), "1M");
        assert_eq!(bucket_range(4), (4, 7));
        assert_eq!(bucket_range(-4), (-7, -4));
    }

    #[test]
    fn percentiles_know_their_bounds() {
        let stat =
            StatValue { count: 100, sum: 0, min: 3, max: 70, log2: vec![(2, 50), (8, 49), (64, 1)], linear: None };
        assert_eq!(percentile(&stat, 0.5), Some((3, 3)));
        assert_eq!(percentile(&stat, 0.9), Some((8, 15)));
        assert_eq!(percentile(&stat, 0.999), Some((64, 70)));
        assert_eq!(percentile(&StatValue::default(), 0.5), None);
        assert_eq!(dense_buckets(&[(-2, 1), (2, 3)]), [(-2, 1), (-1, 0), (0, 0), (1, 0), (2, 3)]);
    }

    #[test]
    fn columns_get_names_from_the_script() {
        let script =
            "foreach (x in lat-) print(lat[x])\nlat[execname(), $next->pid] <<< gettimeofday_us() - t[tid()]\n n[1]++";
        assert_eq!(key_names(script, "lat", 2), ["execname", "pid"]);
        assert_eq!(key_names(script, "t", 1), ["tid"]);
        assert_eq!(key_names(script, "n", 1), ["key1"]);
        assert_eq!(key_names(script, "other", 2), ["key1", "key2"]);
        assert_eq!(unit_of(script, "lat"), Unit::Us);
        assert_eq!(unit_of("a <<< (gettimeofday_ns() - t) / 1000", "a"), Unit::Plain);
    }
}
