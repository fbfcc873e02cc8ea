//! `timer.s(N)` … `timer.jiffies(N)`, `.randomize(M)`, `timer.hz(N)` and `timer.profile`. langref "Timer probes";
//! perf_event_open(2) for the profile.

use std::sync::Arc;

use super::{
    NoMatch, Pattern, ProbeFamily, Resolved,
    attach_plan::AttachPlan,
    pattern::{Part, parts, point_text},
    site::{NoContext, ProbeSite},
};
use crate::{
    debuginfo::World,
    language::ast::{Literal, ProbePoint},
};

pub struct Timer;

const NS_PER_S: i64 = 1_000_000_000;
/// SystemTap's bounds of a period: 100 µs and a day.
const MIN_PERIOD_NS: i64 = 100_000;
const MAX_PERIOD_NS: i64 = 86_400 * NS_PER_S;
const MAX_JIFFIES: i64 = 1_000_000;

/// Spelling, nanoseconds.
const UNITS: [(&str, i64); 8] = [
    ("s", NS_PER_S),
    ("sec", NS_PER_S),
    ("ms", 1_000_000),
    ("msec", 1_000_000),
    ("us", 1000),
    ("usec", 1000),
    ("ns", 1),
    ("nsec", 1),
];

impl ProbeFamily for Timer {
    fn patterns(&self) -> &'static [Pattern] {
        const RANDOM: &str = "the same, plus or minus up to the second number";
        &[
            Pattern { text: "timer.s(NUMBER)", doc: "every so many seconds" },
            Pattern { text: "timer.s(NUMBER).randomize(NUMBER)", doc: RANDOM },
            Pattern { text: "timer.sec(NUMBER)", doc: "every so many seconds" },
            Pattern { text: "timer.sec(NUMBER).randomize(NUMBER)", doc: RANDOM },
            Pattern { text: "timer.ms(NUMBER)", doc: "every so many milliseconds" },
            Pattern { text: "timer.ms(NUMBER).randomize(NUMBER)", doc: RANDOM },
            Pattern { text: "timer.msec(NUMBER)", doc: "every so many milliseconds" },
            Pattern { text: "timer.msec(NUMBER).randomize(NUMBER)", doc: RANDOM },
            Pattern { text: "timer.us(NUMBER)", doc: "every so many microseconds" },
            Pattern { text: "timer.us(NUMBER).randomize(NUMBER)", doc: RANDOM },
            Pattern { text: "timer.usec(NUMBER)", doc: "every so many microseconds" },
            Pattern { text: "timer.usec(NUMBER).randomize(NUMBER)", doc: RANDOM },
            Pattern { text: "timer.ns(NUMBER)", doc: "every so many nanoseconds" },
            Pattern { text: "timer.ns(NUMBER).randomize(NUMBER)", doc: RANDOM },
            Pattern { text: "timer.nsec(NUMBER)", doc: "every so many nanoseconds" },
            Pattern { text: "timer.nsec(NUMBER).randomize(NUMBER)", doc: RANDOM },
            Pattern { text: "timer.hz(NUMBER)", doc: "so many times a second" },
            Pattern { text: "timer.jiffies(NUMBER)", doc: "every so many kernel ticks" },
            Pattern { text: "timer.jiffies(NUMBER).randomize(NUMBER)", doc: RANDOM },
            Pattern { text: "timer.profile", doc: "on every processor at every tick: a sample of what runs" },
            Pattern { text: "timer.profile.tick", doc: "the same" },
            Pattern { text: "timer.profile.freq.hz(NUMBER)", doc: "on every processor so many times a second" },
        ]
    }

    fn resolve(&self, point: &ProbePoint, world: &World) -> Option<Resolved> {
        let parts = parts(point);
        let [("timer", None), rest @ ..] = &parts[..] else { return None };
        Some(match plan(rest, world)? {
            Ok(attach) => {
                Resolved::Sites(vec![ProbeSite::plain(point_text(&point.parts), attach, Arc::new(NoContext))])
            }
            Err(no_match) => no_match.into(),
        })
    }
}

/// `None` when `rest` is no form of a timer.
fn plan(rest: &[Part<'_>], world: &World) -> Option<Result<AttachPlan, NoMatch>> {
    use Literal::Long;
    let (unit, period, random) = match rest {
        [("profile", None)] | [("profile", None), ("tick", None)] => {
            return Some(Ok(AttachPlan::Profile { hz: world.tick_hz() }));
        }
        [("profile", None), ("freq", None), ("hz", Some(Long(hz)))] => {
            return Some(match u64::try_from(*hz) {
                Ok(hz) if (1..=100_000).contains(&hz) => Ok(AttachPlan::Profile { hz }),
                _ => Err(NoMatch::new("frequency must be between 1 and 100000")),
            });
        }
        // Rounded up, so that a rate is never exceeded.
        [("hz", Some(Long(hz @ 1..)))] => return Some(checked((NS_PER_S + hz - 1) / hz, 0, 1)),
        [("hz", Some(Long(_)))] => return Some(Err(NoMatch::new("frequency must be greater than 0"))),
        [(unit, Some(Long(period)))] => (*unit, *period, 0),
        [(unit, Some(Long(period))), ("randomize", Some(Long(random)))] => (*unit, *period, *random),
        _ => return None,
    };
    if unit == "jiffies" {
        return Some(jiffies(period, random, NS_PER_S / world.tick_hz() as i64));
    }
    let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(match (period.checked_mul(*unit_ns), random.checked_mul(*unit_ns)) {
        (Some(period_ns), Some(random_ns)) => checked(period_ns, random_ns, *unit_ns),
        _ => Err(out_of_range(*unit_ns)),
    })
}

fn jiffies(period: i64, random: i64, tick_ns: i64) -> Result<AttachPlan, NoMatch> {
    if !(1..=MAX_JIFFIES).contains(&period) {
        return Err(NoMatch::new("invalid interval for jiffies timer"));
    }
    if !(0..=period).contains(&random) {
        return Err(NoMatch::new("randomization value out of range"));
    }
    Ok(timer(period * tick_ns, random * tick_ns))
}

fn timer(period_ns: i64, randomize_ns: i64) -> AttachPlan {
    AttachPlan::Timer { period_ns: period_ns as u64, randomize_ns: randomize_ns as u64 }
}

fn checked(period_ns: i64, random_ns: i64, unit_ns: i64) -> Result<AttachPlan, NoMatch> {
    if !(MIN_PERIOD_NS..=MAX_PERIOD_NS).contains(&period_ns) {
        return Err(out_of_range(unit_ns));
    }
    if !(0..=period_ns).contains(&random_ns) {
        return Err(NoMatch::new("randomization value out of range"));
    }
    Ok(timer(period_ns, random_ns))
}

fn out_of_range(unit_ns: i64) -> NoMatch {
    let (min, max) = ((MIN_PERIOD_NS + unit_ns - 1) / unit_ns, MAX_PERIOD_NS / unit_ns);
    NoMatch::new(format!("interval value out of range ({min}, {max})"))
}

#[cfg(test)]
mod tests {
    use crate::probes::testing::resolve_text;

    #[test]
    fn periods_and_refusals() {
        let mut table = String::new();
        for text in [
            "timer.s(1)",
            "timer.sec(3).randomize(1)",
            "timer.ms(200)",
            "timer.us(100)",
            "timer.us(5)",
            "timer.ns(200000)",
            "timer.hz(3)",
            "timer.hz(0)",
            "timer.hz(99999999)",
            "timer.s(0)",
            "timer.s(3).randomize(7)",
            "timer.s(9223372036854775807)",
            "timer.s",
            "timer.x(3)",
            "timer.jiffies(0)",
            "timer.jiffies(2000000)",
            "timer.profile.freq.hz(99)",
            "timer.profile.tick(3)",
        ] {
            table += &format!("{text}: {}\n", resolve_text(text));
        }
        expect_test::expect![[r#"
            timer.s(1): timer.s(1) Timer { period_ns: 1000000000, randomize_ns: 0 }
            timer.sec(3).randomize(1): timer.sec(3).randomize(1) Timer { period_ns: 3000000000, randomize_ns: 1000000000 }
            timer.ms(200): timer.ms(200) Timer { period_ns: 200000000, randomize_ns: 0 }
            timer.us(100): timer.us(100) Timer { period_ns: 100000, randomize_ns: 0 }
            timer.us(5): interval value out of range (100, 86400000000) [] part None
            timer.ns(200000): timer.ns(200000) Timer { period_ns: 200000, randomize_ns: 0 }
            timer.hz(3): timer.hz(3) Timer { period_ns: 333333334, randomize_ns: 0 }
            timer.hz(0): frequency must be greater than 0 [] part None
            timer.hz(99999999): interval value out of range (100000, 86400000000000) [] part None
            timer.s(0): interval value out of range (1, 86400) [] part None
            timer.s(3).randomize(7): randomization value out of range [] part None
            timer.s(9223372036854775807): interval value out of range (1, 86400) [] part None
            timer.s: unknown
            timer.x(3): unknown
            timer.jiffies(0): invalid interval for jiffies timer [] part None
            timer.jiffies(2000000): invalid interval for jiffies timer [] part None
            timer.profile.freq.hz(99): timer.profile.freq.hz(99) Profile { hz: 99 }
            timer.profile.tick(3): unknown
        "#]].assert_eq(&table);
    }
}
