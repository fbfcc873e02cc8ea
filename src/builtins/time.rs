//! Clocks. Wall time comes from the kernel's monotonic clock plus an offset read once, so the two sides agree.

use Implementation::{Intrinsic as Op, Lowered};
use tapdeck_ebpf::ir::Intrinsic;

use super::{Builtin, Implementation, Special, long, row};
use crate::language::types::Type::Long;

const fn scaled(clock: Intrinsic, divisor: i64) -> Implementation {
    Lowered(Special::Scaled { clock, divisor })
}

const MS: i64 = 1_000_000;
const S: i64 = 1_000_000_000;

pub static ROWS: &[Builtin] = &[
    row("gettimeofday_ns", &[], Long, Op(Intrinsic::RealtimeNs), "Nanoseconds since 1970."),
    row("gettimeofday_us", &[], Long, scaled(Intrinsic::RealtimeNs, 1000), "Microseconds since 1970."),
    row("gettimeofday_ms", &[], Long, scaled(Intrinsic::RealtimeNs, MS), "Milliseconds since 1970."),
    row("gettimeofday_s", &[], Long, scaled(Intrinsic::RealtimeNs, S), "Seconds since 1970."),
    row("ktime_get_ns", &[], Long, Op(Intrinsic::MonotonicNs), "Nanoseconds of the monotonic clock."),
    row("ktime_get_real_ns", &[], Long, Op(Intrinsic::RealtimeNs), "Nanoseconds since 1970."),
    row("ktime_get_boot_ns", &[], Long, Op(Intrinsic::BoottimeNs), "Nanoseconds since boot, suspended time included."),
    row("local_clock_ns", &[], Long, Op(Intrinsic::MonotonicNs), "Nanoseconds of this processor's clock."),
    row("local_clock_us", &[], Long, scaled(Intrinsic::MonotonicNs, 1000), "Microseconds of this processor's clock."),
    row("local_clock_ms", &[], Long, scaled(Intrinsic::MonotonicNs, MS), "Milliseconds of this processor's clock."),
    row("local_clock_s", &[], Long, scaled(Intrinsic::MonotonicNs, S), "Seconds of this processor's clock."),
    row("cpu_clock_ns", &[long("cpu")], Long, scaled(Intrinsic::MonotonicNs, 1), "Nanoseconds of a processor's clock."),
    row(
        "cpu_clock_us",
        &[long("cpu")],
        Long,
        scaled(Intrinsic::MonotonicNs, 1000),
        "Microseconds of a processor's clock.",
    ),
    row(
        "cpu_clock_ms",
        &[long("cpu")],
        Long,
        scaled(Intrinsic::MonotonicNs, MS),
        "Milliseconds of a processor's clock.",
    ),
    row("cpu_clock_s", &[long("cpu")], Long, scaled(Intrinsic::MonotonicNs, S), "Seconds of a processor's clock."),
    row(
        "get_cycles",
        &[],
        Long,
        Op(Intrinsic::Cycles),
        "The processor's cycle counter, or ns where it cannot be read.",
    ),
    row("jiffies", &[], Long, Op(Intrinsic::Jiffies), "Timer ticks since boot."),
    row("__random_u32", &[], Long, Op(Intrinsic::Random), "32 random bits."),
];
