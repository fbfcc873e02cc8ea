//! Counts are exact under contention: processors on one key, and new keys all the time.

use std::time::{Duration, Instant};

use crate::binary::{require_bpf, start, tapdeck};

/// Handler runs the kernel skipped: since Linux 7 a handler can be interrupted by another thread's run of it on the same
/// processor, which then does not happen and is counted. Anything else on standard error is a failure.
fn skipped(err: &str) -> u64 {
    if err.is_empty() {
        return 0;
    }
    let n = err.trim().strip_prefix("WARNING: Number of errors: 0, skipped probes: ");
    n.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{err}"))
}

/// System calls of each thread: few enough for an unoptimized build among other tests.
const CALLS: u64 = if cfg!(debug_assertions) { 150_000 } else { 1_000_000 };

fn hammer(calls: u64) {
    for _ in 0..calls {
        let _ = std::os::unix::process::parent_id();
    }
}

#[test]
fn two_processors_on_one_key_lose_nothing() {
    if !require_bpf() {
        return;
    }
    let script = format!(
        "global by_pid, plain, stat, live
         probe timer.ms(1) {{ if (!live++) println(\"live\") }}
         probe syscall.getppid {{ if (pid() == {pid}) {{ by_pid[pid()]++; plain++; stat[execname()] <<< 1 }} }}
         probe end {{ println(by_pid[{pid}], \" \", plain) foreach (e in stat) println(@count(stat[e]), \" \", @sum(stat[e])) }}",
        pid = std::process::id()
    );
    let mut command = tapdeck();
    command.args(["run", "-e", &script]);
    let mut running = start(command);
    running.wait_output("live\n");
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(|| hammer(CALLS)))));
    running.signal(2);
    let ran = running.finish();
    let counts: Vec<u64> = ran.out.split_whitespace().map(|n| n.parse().unwrap()).collect();
    let total = counts[0];
    assert_eq!((counts, ran.code), (vec![total; 4], 0));
    assert!((2 * CALLS - skipped(&ran.err)..=2 * CALLS).contains(&total), "{} {}", ran.out, ran.err);
}

#[test]
fn a_new_key_every_20_us_is_counted_once() {
    if !require_bpf() {
        return;
    }
    let script = format!(
        "global seen[200000], total, live
         probe timer.ms(1) {{ if (!live++) println(\"live\") }}
         probe syscall.kill {{ if (pid() == {pid} && $sig == 0) {{ seen[$pid]++; total++ }} }}
         probe end {{ foreach (k in seen) {{ n++; sum += seen[k] }} println(n, \" \", sum, \" \", total) }}",
        pid = std::process::id()
    );
    let mut command = tapdeck();
    command.args(["run", "-D", "MAXACTION_INTERRUPTIBLE=0", "-e", &script]);
    let mut running = start(command);
    running.wait_output("live\n");
    let keys = 40_000;
    let ask = |first: u32| {
        for key in first..first + keys {
            let begun = Instant::now();
            // Signal 0 asks whether there is such a process.
            let _ = tapdeck::sys::signals::kill(key, 0);
            while begun.elapsed() < Duration::from_micros(20) {
                std::hint::spin_loop();
            }
        }
    };
    // Two processors; half of the keys are new to both at the same time.
    std::thread::scope(|scope| {
        scope.spawn(|| ask(1_000_000));
        scope.spawn(|| ask(1_000_000 + keys / 2));
    });
    running.signal(2);
    let ran = running.finish();
    let counts: Vec<u64> = ran.out.split_whitespace().map(|n| n.parse().unwrap()).collect();
    let [seen, sum, total] = counts[..] else { panic!("{}", ran.out) };
    let (keys, calls, skipped) = (u64::from(keys + keys / 2), u64::from(2 * keys), skipped(&ran.err));
    assert_eq!((sum, ran.code), (total, 0));
    assert!((calls - skipped..=calls).contains(&total), "{} {}", ran.out, ran.err);
    assert!((keys - skipped..=keys).contains(&seen), "{} {}", ran.out, ran.err);
}
