//! A time as a person writes it: a time of day, or how long ago.

use std::time::Duration;

use crate::tui::app::WallClock;

/// `text` as an instant on the dashboard's clock, not after `latest`: `14:03`, `14:03:31`, `-90s`, `-2m`, `1h`, `90`.
pub fn parse(text: &str, latest: Duration, clock: &WallClock) -> Option<Duration> {
    let text = text.trim();
    if text.contains(':') {
        return time_of_day(text, latest, clock);
    }
    let ago = text.trim_start_matches('-').trim();
    let (number, unit) = ago.split_at(ago.find(|c: char| !c.is_ascii_digit()).unwrap_or(ago.len()));
    let seconds = match unit.trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(latest.saturating_sub(Duration::from_secs(number.checked_mul(seconds)?)))
}

/// The last such time of day that is not after `latest`.
fn time_of_day(text: &str, latest: Duration, clock: &WallClock) -> Option<Duration> {
    let mut parts = text.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    const DAY: i128 = 86_400_000;
    let now_ms = i128::from(clock.start_ns / 1_000_000) + latest.as_millis() as i128;
    let of_day = (now_ms + i128::from(clock.utc_offset) * 1000).rem_euclid(DAY);
    let wanted = i128::from((hour * 60 + minute) * 60 + second) * 1000;
    // All of the second counts: samples come somewhere inside it.
    let back = (of_day - wanted).rem_euclid(DAY).saturating_sub(999).max(0);
    Some(Duration::from_millis((latest.as_millis() as i128 - back).max(0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        // The dashboard started at 14:00:00 and has run for ten minutes.
        let clock = WallClock { start_ns: 1_756_130_400_000_000_000, utc_offset: 0 };
        let at = |text| parse(text, Duration::from_secs(600), &clock).map(|at| at.as_secs());
        assert_eq!(at("14:03"), Some(180));
        assert_eq!(at("14:03:31"), Some(211));
        assert_eq!(at("14:10"), Some(600));
        assert_eq!(at("13:59"), Some(0));
        assert_eq!(at("-90s"), Some(510));
        assert_eq!(at("2m"), Some(480));
        assert_eq!(at("30"), Some(570));
        assert_eq!(at("1h"), Some(0));
        for wrong in ["", "x", "25:00", "14:61", "5 days", "1:2:3:4"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
