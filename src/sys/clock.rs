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

/// Processor time another process has had, all its threads, those that ended too, in ns. A process that has ended tells it
/// until its parent has collected it. `None`: there is no such process.
pub fn process_cpu_ns(pid: u32) -> Option<i64> {
    // clock_getcpuclockid(3): a process's clock is its number turned over, and 2 for what the scheduler counts.
    let id = (!(pid as libc::clockid_t) << 3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec the call may write to.
    let result = unsafe { libc::clock_gettime(id, &mut time) };
    (result == 0).then_some(time.tv_sec * 1_000_000_000 + time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_clock_runs_while_it_works() {
        let own = std::process::id();
        let begun = process_cpu_ns(own).unwrap();
        while now_ns(Clock::ProcessCpu) - begun < 2_000_000 {}
        assert!(process_cpu_ns(own).unwrap() - begun >= 2_000_000);
        assert_eq!(process_cpu_ns(0x3fff_fff0), None);
    }
}
