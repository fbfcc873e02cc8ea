//! The overload guard: a session whose handlers take more than STP_OVERLOAD_THRESHOLD of STP_OVERLOAD_INTERVAL on any
//! processor is stopped. stap(1).
//!
//! The kernel's run-time statistics tell how long programs ran. They cost each event ten nanoseconds, or a hundred where
//! reading the clock is slow, while they are on; so they are on only for a glance now and then:
//!
//! ```text
//!        ┌────────────────────────────── little was spent ─────────────────────────────┐
//!        ▼                                       │                                      │
//!     resting ── REST ──▶ glancing ── GLANCE ──▶ ? ──▶ measuring ───── interval ──────▶ ? ──▶ too much: stop
//!                                                         ▲                             │
//!                                                         └──────────── else ───────────┘
//! ```
//!
//! A glance sees the sum of all processors: where that is little, none of them can be over. A whole interval is measured
//! for each processor, before anything is stopped.

use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
};

use tapdeck_ebpf::ir::Space;

use super::{load::Loaded, peek::Peek};
use crate::{
    debuginfo::{Types, World},
    sys::{self, bpf},
};

const MS: i64 = 1_000_000;
/// How long statistics are on for a glance: half a nanosecond of each event, on average.
const GLANCE: i64 = 5 * MS;
/// Time between glances.
const REST: i64 = 1000 * MS;
/// This part of the threshold is little: handlers that come in bursts may be elsewhere during a glance.
const LITTLE: u64 = 8;
/// Shorter intervals are measured over this time.
const SHORTEST_INTERVAL: i64 = 20 * MS;

/// STP_OVERLOAD_INTERVAL and STP_OVERLOAD_THRESHOLD. A cycle is a nanosecond here, as it is for `get_cycles()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub interval_ns: u64,
    pub threshold_ns: u64,
}

impl Default for Limit {
    fn default() -> Self {
        Self { interval_ns: 1_000_000_000, threshold_ns: 500_000_000 }
    }
}

impl Limit {
    fn interval(self) -> i64 {
        i64::try_from(self.interval_ns).unwrap_or(i64::MAX / 4).clamp(1, i64::MAX / 4)
    }

    /// `spent_ns` of `elapsed` as it would be of one interval.
    fn of_interval(self, spent_ns: u64, elapsed: i64) -> u64 {
        let scaled = u128::from(spent_ns) * u128::from(self.interval().unsigned_abs()) / elapsed.max(1) as u128;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

/// What the kernel says of the session's programs.
pub(super) trait Meter {
    /// Statistics on or off; false when they cannot be had.
    fn switch(&mut self, on: bool) -> bool;
    /// Time in programs so far, in ns, of all processors together.
    fn total_ns(&self) -> u64;
    /// The same of each processor.
    fn by_processor(&mut self) -> Vec<u64>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Off,
    Resting,
    Glancing { total_ns: u64 },
    Measuring { spent_ns: Vec<u64> },
}

/// The guard of one session.
pub(super) struct Guard {
    limit: Limit,
    phase: Phase,
    since: i64,
    /// When to look next, on the monotonic clock.
    pub due: i64,
}

impl Guard {
    /// `limit`: `None` for no guard.
    pub fn new(limit: Option<Limit>, now: i64) -> Self {
        let (phase, due) = if limit.is_some() { (Phase::Resting, now) } else { (Phase::Off, i64::MAX) };
        Self { limit: limit.unwrap_or_default(), phase, since: now, due }
    }

    /// Looks when it is due. What to say when the session has to stop.
    pub fn look(&mut self, now: i64, meter: &mut dyn Meter) -> Option<String> {
        if now < self.due {
            return None;
        }
        let elapsed = now - self.since;
        let Limit { interval_ns, threshold_ns } = self.limit;
        match std::mem::replace(&mut self.phase, Phase::Off) {
            Phase::Off => self.go(Phase::Off, now, i64::MAX),
            Phase::Resting if meter.switch(true) => {
                let total_ns = meter.total_ns();
                self.go(Phase::Glancing { total_ns }, now, GLANCE.min(self.measured_over()));
            }
            Phase::Resting => self.go(Phase::Off, now, i64::MAX),
            Phase::Glancing { total_ns } => {
                let spent = self.limit.of_interval(meter.total_ns().saturating_sub(total_ns), elapsed);
                self.go_on(spent > threshold_ns / LITTLE, now, meter);
            }
            Phase::Measuring { spent_ns } => {
                let spent = meter.by_processor().into_iter().zip(spent_ns);
                let most = spent.map(|(after, before)| after.saturating_sub(before)).max().unwrap_or(0);
                let most = self.limit.of_interval(most, elapsed);
                if most > threshold_ns {
                    return Some(format!(
                        "probe overhead ({most} cycles) exceeded threshold ({threshold_ns} cycles) in last {interval_ns} cycles"
                    ));
                }
                self.go_on(most > threshold_ns / LITTLE, now, meter);
            }
        }
        None
    }

    /// Measures when there is reason to, and rests else.
    fn go_on(&mut self, is_much: bool, now: i64, meter: &mut dyn Meter) {
        if is_much {
            let spent_ns = meter.by_processor();
            self.go(Phase::Measuring { spent_ns }, now, self.measured_over());
        } else {
            meter.switch(false);
            self.go(Phase::Resting, now, REST);
        }
    }

    fn go(&mut self, phase: Phase, now: i64, time: i64) {
        self.phase = phase;
        self.since = now;
        self.due = now.saturating_add(time);
    }

    fn measured_over(&self) -> i64 {
        self.limit.interval().max(SHORTEST_INTERVAL)
    }
}

/// The programs of a session in this kernel.
pub(super) struct LiveMeter {
    loaded: Arc<Loaded>,
    statistics: Option<OwnedFd>,
    /// Looked for when it is first needed.
    per_processor: Option<Option<PerProcessor>>,
}

impl LiveMeter {
    pub fn new(loaded: Arc<Loaded>) -> Self {
        Self { loaded, statistics: None, per_processor: None }
    }
}

impl Meter for LiveMeter {
    fn switch(&mut self, on: bool) -> bool {
        self.statistics = if on { bpf::enable_stats().ok() } else { None };
        self.statistics.is_some() == on
    }

    fn total_ns(&self) -> u64 {
        total_ns(&self.loaded)
    }

    /// Where the kernel does not tell of each, they count as equal.
    fn by_processor(&mut self) -> Vec<u64> {
        let found = self.per_processor.get_or_insert_with(|| PerProcessor::find(&self.loaded));
        if let Some(spent) = found.as_ref().and_then(PerProcessor::read) {
            return spent;
        }
        let n = sys::online_cpus().len().max(1);
        vec![self.total_ns() / n as u64; n]
    }
}

fn total_ns(loaded: &Loaded) -> u64 {
    let stats = loaded.programs.iter().filter_map(|program| bpf::prog_stats(program.as_fd()).ok());
    stats.map(|stats| stats.run_time_ns).sum()
}

/// Where the kernel keeps the counters of each processor. What bpf(2) tells is their sum.
struct PerProcessor {
    peek: Peek,
    /// What is added to a per-CPU address for each processor.
    offsets: Vec<i64>,
    /// Per-CPU addresses of the nanoseconds of each program.
    counters: Vec<i64>,
}

impl PerProcessor {
    /// Follows the descriptors of the programs to what they stand for: task, open files, file, program, statistics.
    fn find(loaded: &Loaded) -> Option<Self> {
        let peek = Peek::open().ok()?;
        let world = World::live();
        let btf = world.btf().ok()?;
        let member = |of: &str, name: &str| {
            let found = btf.find_member(btf.struct_named(of)?, name)?;
            Some(i64::from(found.offset_bits / 8))
        };
        let word = |address: i64| long(&peek, address);
        let files = word(peek.current_task() + member("task_struct", "files")?)?;
        let table = word(files + member("files_struct", "fdt")?)?;
        let open = word(table + member("fdtable", "fd")?)?;
        let private = member("file", "private_data")?;
        // In Linux 5.12 they moved from `aux` to the program itself.
        let (stats, nsecs) = (member("bpf_prog", "stats")?, member("bpf_prog_stats", "nsecs")?);
        let counter = |fd: i32| {
            let program = word(word(open + 8 * i64::from(fd))? + private)?;
            Some(word(program + stats)? + nsecs)
        };
        let programs = loaded.programs.iter().map(|program| program.as_fd().as_raw_fd());
        let counters: Option<Vec<i64>> = programs.map(counter).collect();
        let base = world.variables().ok()?.addresses("__per_cpu_offset", None).find(|address| *address != 0)? as i64;
        let offset = |cpu: usize| word(base + 8 * cpu as i64);
        let offsets: Option<Vec<i64>> = (0..sys::n_possible_cpus()).map(offset).collect();
        let (counters, offsets) = (counters?, offsets?);
        let found = Self { peek, offsets, counters };
        // What was found is believed when it adds up.
        let before = total_ns(loaded);
        let sum: u64 = found.read()?.into_iter().sum();
        (before..=total_ns(loaded)).contains(&sum).then_some(found)
    }

    fn read(&self) -> Option<Vec<u64>> {
        let of_processor = |offset: &i64| {
            let counters = self.counters.iter().map(|address| long(&self.peek, address.wrapping_add(*offset)));
            counters.map(|ns| ns.map(|ns| ns as u64)).sum()
        };
        self.offsets.iter().map(of_processor).collect()
    }
}

fn long(peek: &Peek, address: i64) -> Option<i64> {
    let mut bytes = [0; 8];
    peek.bytes(Space::Kernel, address, &mut bytes).then(|| i64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel whose processors each take a part of the time.
    #[derive(Default)]
    struct Machine {
        now: i64,
        /// Thousandths of the time each processor spends in programs.
        shares: [u64; 4],
        spent: [u64; 4],
        is_on: bool,
        on_ns: i64,
        refuses: bool,
    }

    impl Machine {
        fn pass(&mut self, ns: i64) {
            self.now += ns;
            if self.is_on {
                self.on_ns += ns;
                for (spent, share) in self.spent.iter_mut().zip(self.shares) {
                    *spent += share * ns as u64 / 1000;
                }
            }
        }
    }

    impl Meter for Machine {
        fn switch(&mut self, on: bool) -> bool {
            self.is_on = on && !self.refuses;
            self.is_on == on
        }

        fn total_ns(&self) -> u64 {
            self.spent.iter().sum()
        }

        fn by_processor(&mut self) -> Vec<u64> {
            self.spent.to_vec()
        }
    }

    /// Looks whenever it is due, for so many seconds. What was said and when, in ms, and how often was looked.
    fn watch(limit: Limit, machine: &mut Machine, seconds: i64) -> (Option<(i64, String)>, usize) {
        let mut guard = Guard::new(Some(limit), 0);
        let mut n_looks = 0;
        while guard.due < seconds * 1000 * MS {
            machine.pass(guard.due - machine.now);
            n_looks += 1;
            if let Some(message) = guard.look(machine.now, machine) {
                return (Some((machine.now / MS, message)), n_looks);
            }
        }
        (None, n_looks)
    }

    #[test]
    fn one_processor_that_spends_too_much_is_enough() {
        let mut machine = Machine { shares: [0, 10, 501, 0], ..Machine::default() };
        let message =
            "probe overhead (501000000 cycles) exceeded threshold (500000000 cycles) in last 1000000000 cycles";
        assert_eq!(watch(Limit::default(), &mut machine, 100).0, Some((1005, message.to_owned())));
    }

    #[test]
    fn many_that_spend_less_are_not() {
        let mut machine = Machine { shares: [499; 4], ..Machine::default() };
        assert_eq!(watch(Limit::default(), &mut machine, 100).0, None);
    }

    #[test]
    fn statistics_are_seldom_on_where_little_is_spent() {
        let mut machine = Machine { shares: [15; 4], ..Machine::default() };
        let (said, n_looks) = watch(Limit::default(), &mut machine, 102);
        assert_eq!((said, n_looks), (None, 204));
        assert_eq!(machine.on_ns, 102 * GLANCE);
    }

    #[test]
    fn other_limits_are_taken_as_they_are() {
        let limit = |interval_ns, threshold_ns| Limit { interval_ns, threshold_ns };
        let said = |limit, share| {
            let mut machine = Machine { shares: [0, 0, share, 0], ..Machine::default() };
            watch(limit, &mut machine, 10).0
        };
        let message = |spent, threshold, interval| {
            format!("probe overhead ({spent} cycles) exceeded threshold ({threshold} cycles) in last {interval} cycles")
        };
        assert_eq!(said(limit(100_000_000, 1_000_000), 20), Some((105, message(2_000_000, 1_000_000, 100_000_000))));
        // Shorter than is looked at, and none.
        assert_eq!(said(limit(1_000_000, 1000), 20), Some((25, message(20_000, 1000, 1_000_000))));
        assert_eq!(said(limit(0, 0), 1000), Some((25, message(1, 0, 0))));
        // More than there can be.
        assert_eq!(said(limit(1_000_000_000, 2_000_000_000), 1000), None);
        assert_eq!(said(limit(u64::MAX, u64::MAX), 1000), None);
    }

    #[test]
    fn without_statistics_there_is_no_guard() {
        let mut machine = Machine { shares: [1000; 4], refuses: true, ..Machine::default() };
        assert_eq!(watch(Limit::default(), &mut machine, 100), (None, 1));
        assert_eq!(Guard::new(None, 5).due, i64::MAX);
    }
}
