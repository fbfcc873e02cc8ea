//! What running scripts cost and keep, of the program as it is installed: processor time to attach and detach every system
//! call, counts under contention, and lines written without a loss.
//!
//! ```text
//! cargo bench --bench sessions [-- FILTER]
//! ```
//!
//! Needs root. Times are the process's own on a processor, medians of several runs. Lines are for a machine where whoever
//! writes them and tapdeck have a processor each; where something else wants them too, it says how busy they were. It fails
//! when one of the numbers is not what we promise.

mod script;

use std::{
    fs,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use script::Running;
use tapdeck::{
    runtime::features,
    sys::{clock::process_cpu_ns, signals},
};

/// What was measured, and whether it is what was promised.
struct Report {
    kept: bool,
}

impl Report {
    fn row(&mut self, what: &str, value: impl std::fmt::Display, kept: bool, bar: &str) {
        println!("{what:<58} {value:>14}   {bar}{}", if kept { "" } else { "   NOT KEPT" });
        self.kept &= kept;
    }
}

fn main() -> ExitCode {
    if !features::can_trace() {
        println!("SKIPPED: {}", features::why_not());
        return ExitCode::SUCCESS;
    }
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let mut report = Report { kept: true };
    for (name, measure) in [
        ("attach", attach as fn(&mut Report)),
        ("counts", counts as fn(&mut Report)),
        ("lines", lines as fn(&mut Report)),
    ] {
        if name.contains(&filter) {
            measure(&mut report);
        }
    }
    if report.kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every system call counted: exec to attached, and asked to end to gone.
fn attach(report: &mut Report) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let mut run = Running::start(&[], "global n probe syscall.* { n[name] <<< 1 }");
        run.wait_live();
        let live = process_cpu_ns(run.pid()).expect("it runs");
        run.stop();
        let end = run.cpu_at_its_end();
        up.push(live as f64 / 1e6);
        down.push((end - live) as f64 / 1e6);
    }
    let (up, down) = (median(up), median(down));
    report.row("probe syscall.*: processor time until attached", format!("{up:.1} ms"), up <= 150.0, "of 150");
    report.row("the same from Ctrl-C until gone", format!("{down:.1} ms"), down <= 50.0, "of 50");
}

/// Calls of each of the two that hammer one key.
const CALLS: u64 = 1_500_000;

/// Two threads on one key, and a third that makes a new one every 20 µs.
fn counts(report: &mut Report) {
    let own = std::process::id();
    let script = format!(
        "global hits, total, seen[1000000], stat
         probe syscall.getppid {{ if (pid() == {own}) {{ hits[pid()]++; total++; stat[pid()] <<< 1 }} }}
         probe syscall.kill {{ if (pid() == {own} && $sig == 0) {{ seen[$pid]++ }} }}
         probe end {{ foreach (k in seen) {{ keys++; sum += seen[k] }}
                      printf(\"%d %d %d %d %d\\n\", hits[{own}], total, @count(stat[{own}]), keys, sum) }}"
    );
    let mut run = Running::start(&["-D", "MAXACTION_INTERRUPTIBLE=0"], &script);
    run.wait_live();
    let done = AtomicBool::new(false);
    let begun = Instant::now();
    let n_keys = std::thread::scope(|scope| {
        let keys = scope.spawn(|| new_keys(&done));
        let hammers: Vec<_> = (0..2).map(|_| scope.spawn(|| script::call(CALLS))).collect();
        hammers.into_iter().for_each(|hammer| hammer.join().expect("no panic"));
        done.store(true, Ordering::Relaxed);
        keys.join().expect("no panic")
    });
    let took = begun.elapsed();
    run.stop();
    let (out, err) = run.finish();
    let counted: Vec<u64> = out.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [hits, total, count, keys, sum] = counted[..] else { panic!("{out}{err}") };
    let exact = 2 * CALLS;
    let lost = exact.abs_diff(hits) + exact.abs_diff(total) + exact.abs_diff(count);
    let rate = exact as f64 / took.as_secs_f64() / 1e6;
    report.row("two processors on one key: events", exact, true, &format!("{rate:.2} million a second"));
    report.row("of these lost, in a count, a total and a statistic", lost, lost == 0 && err.is_empty(), "of 0");
    let lost = n_keys.abs_diff(keys) + n_keys.abs_diff(sum);
    report.row(&format!("of {n_keys} new keys meanwhile, lost or counted twice"), lost, lost == 0, "of 0");
    err.lines().for_each(|line| println!("  {line}"));
}

/// A new key every 20 µs until `done`; how many.
fn new_keys(done: &AtomicBool) -> u64 {
    let mut key = 1_000_000;
    while !done.load(Ordering::Relaxed) && key < 1_900_000 {
        let begun = Instant::now();
        // Signal 0 asks whether there is such a process.
        let _ = signals::kill(key, 0);
        key += 1;
        while begun.elapsed() < Duration::from_micros(20) {
            std::hint::spin_loop();
        }
    }
    u64::from(key - 1_000_000)
}

/// Lines a second that are to come through.
const RATE: u64 = 1_000_000;
const SECONDS: u64 = 5;

fn lines(report: &mut Report) {
    let folder = std::env::temp_dir().join(format!("tapdeck-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the output");
    let out = folder.join("out");
    let own = std::process::id();
    let script = format!("probe syscall.getppid {{ if (pid() == {own}) printf(\"%d %s\\n\", tid(), execname()) }}");
    let mut run = Running::start(&["-o", out.to_str().expect("a plain name")], &script);
    run.wait_live();
    let cpu = process_cpu_ns(run.pid()).expect("it runs");
    let (calls, took) = paced();
    run.stop();
    let cpu = run.cpu_at_its_end() - cpu;
    let (_, err) = run.finish();
    let text = fs::read(&out).unwrap_or_default();
    let came = text.iter().filter(|byte| **byte == b'\n').count() as u64;
    let rate = calls as f64 / took.as_secs_f64();
    let slow = rate < 0.98 * RATE as f64;
    report.row("lines written with -o, a second", format!("{rate:.0}"), true, &format!("{calls} in all"));
    if slow {
        println!("  the calls themselves came slower than {RATE} a second: other work on this machine");
    }
    let lost = calls.abs_diff(came);
    report.row("of these lost", lost, lost == 0, "of 0");
    let busy = cpu as f64 / 1e7 / took.as_secs_f64();
    let whole = came as f64 / (cpu as f64 / 1e9);
    let enough = whole >= RATE as f64;
    report.row("tapdeck's part of a processor meanwhile", format!("{busy:.0} %"), true, "");
    report.row("so a whole processor takes, a second", format!("{whole:.0}"), enough, &format!("of at least {RATE}"));
    err.lines().for_each(|line| println!("  {line}"));
    fs::remove_dir_all(&folder).expect("ours");
}

/// System calls at [`RATE`] for some seconds: a thousand each millisecond; how many, in what time.
fn paced() -> (u64, Duration) {
    let begun = Instant::now();
    let mut calls = 0;
    while calls < RATE * SECONDS {
        script::call(RATE / 1000);
        calls += RATE / 1000;
        let due = Duration::from_micros(calls * 1_000_000 / RATE);
        while begun.elapsed() < due {
            std::hint::spin_loop();
        }
    }
    (calls, begun.elapsed())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
