//! When user-space timers are due. A schedule of plain numbers: the engine asks what is due and how long to sleep, so
//! nothing runs while nothing is due.

use std::{cmp::Reverse, collections::BinaryHeap};

/// A shorter period would only mean that the session does nothing else.
pub const SHORTEST_PERIOD_NS: i64 = 10_000;

/// One timer probe. `tag` is whatever the caller wants back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSpec {
    pub period_ns: u64,
    /// The period varies by up to this much in either direction.
    pub randomize_ns: u64,
    pub tag: usize,
}

/// Due times of every timer, in ns of one monotonic clock.
#[derive(Debug)]
pub struct Timers {
    due: BinaryHeap<Reverse<(i64, usize)>>,
    specs: Vec<TimerSpec>,
    random: u64,
    /// Expirations that came while an earlier one still waited.
    pub skipped: u64,
}

impl Timers {
    /// The first expirations are one period after `now_ns`.
    pub fn new(specs: Vec<TimerSpec>, now_ns: i64) -> Self {
        let mut timers = Self { due: BinaryHeap::new(), specs, random: now_ns as u64 | 1, skipped: 0 };
        for idx in 0..timers.specs.len() {
            let at = now_ns + timers.next_period(idx);
            timers.due.push(Reverse((at, idx)));
        }
        timers
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<i64> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// A timer that is due, as its tag; it is already set for its next time. Earliest first.
    pub fn pop_due(&mut self, now_ns: i64) -> Option<usize> {
        let Reverse((at, idx)) = *self.due.peek().filter(|Reverse((at, _))| *at <= now_ns)?;
        self.due.pop();
        let mut next = at + self.next_period(idx);
        if next <= now_ns {
            // Late by whole periods: they are lost, the rhythm is kept.
            let period = self.period(idx);
            let lost = (now_ns - next) / period + 1;
            self.skipped += lost as u64;
            next += lost * period;
        }
        self.due.push(Reverse((next, idx)));
        Some(self.specs[idx].tag)
    }

    fn period(&self, idx: usize) -> i64 {
        i64::try_from(self.specs[idx].period_ns).unwrap_or(i64::MAX / 4).clamp(SHORTEST_PERIOD_NS, i64::MAX / 4)
    }

    fn next_period(&mut self, idx: usize) -> i64 {
        let randomize = i64::try_from(self.specs[idx].randomize_ns).unwrap_or(0);
        let period = self.period(idx);
        if randomize == 0 {
            return period;
        }
        // xorshift64: any spread will do.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let off = (self.random % (2 * randomize as u64 + 1)) as i64 - randomize;
        (period + off).max(SHORTEST_PERIOD_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn timer(period_ms: i64, tag: usize) -> TimerSpec {
        TimerSpec { period_ns: (period_ms * MS) as u64, randomize_ns: 0, tag }
    }

    #[test]
    fn fires_in_order_and_keeps_its_rhythm() {
        let mut timers = Timers::new(vec![timer(10, 0), timer(3, 1)], 0);
        let mut fired = Vec::new();
        for now in (0..=12).map(|ms| ms * MS) {
            while let Some(tag) = timers.pop_due(now) {
                fired.push((now / MS, tag));
            }
        }
        assert_eq!(fired, [(3, 1), (6, 1), (9, 1), (10, 0), (12, 1)]);
        assert_eq!(timers.next_due(), Some(15 * MS));
    }

    #[test]
    fn late_expirations_are_counted_not_repeated() {
        let mut timers = Timers::new(vec![timer(10, 0)], 0);
        assert_eq!(timers.pop_due(55 * MS), Some(0));
        assert_eq!(timers.pop_due(55 * MS), None);
        assert_eq!((timers.skipped, timers.next_due()), (4, Some(60 * MS)));
    }

    #[test]
    fn randomized_stays_within_bounds() {
        let mut timers = Timers::new(vec![TimerSpec { randomize_ns: 5 * MS as u64, ..timer(10, 0) }], 1);
        let mut last = 1;
        let mut different = std::collections::HashSet::new();
        for _ in 0..100 {
            let at = timers.next_due().unwrap();
            assert!((5 * MS..=15 * MS).contains(&(at - last)), "{}", at - last);
            different.insert(at - last);
            last = at;
            timers.pop_due(at);
        }
        assert!(different.len() > 50);
    }

    #[test]
    fn absurdly_short_ones_are_bounded() {
        let timers = Timers::new(vec![TimerSpec { period_ns: 1, randomize_ns: 0, tag: 0 }], 0);
        assert_eq!(timers.next_due(), Some(SHORTEST_PERIOD_NS));
    }
}
