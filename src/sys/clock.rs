//! Clocks of clock_gettime(2), in nanoseconds.

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    Realtime,
    Monotonic,
    Boottime,
    /// CPU time of this process, all threads.
    ProcessCpu,
}

/// The time in ns; 0 if the kernel lacks the clock.
pub fn now_ns(clock: Clock) -> i64 {
    let id = match clock {
        Clock::Realtime => libc::CLOCK_REALTIME,
        Clock::Monotonic => libc::CLOCK_MONOTONIC,
        Clock::Boottime => libc::CLOCK_BOOTTIME,
        Clock::ProcessCpu => libc::CLOCK_PROCESS_CPUTIME_ID,
    };
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec the call may write to.
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Lets this thread's timeouts end within `ns` of their time instead of the usual 50 µs. prctl(2), PR_SET_TIMERSLACK.
pub fn set_timer_slack(ns: u64) {
    // SAFETY: the call takes a number and concerns this thread only.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, ns, 0, 0, 0) };
}
