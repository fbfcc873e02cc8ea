//! tapdeck against bpftrace on this machine, in one run: cost of an event and time to the first event.
//!
//! ```text
//! cargo bench --bench rivals [-- FILTER]
//! BPFTRACE=/path/to/bpftrace cargo bench --bench rivals        another rival
//! ```
//!
//! Needs root, bpftool and bpftrace. Everything is quoted as a ratio of medians over interleaved rounds, since a bare
//! time says more about the machine than about the tool. `benches/rivals/fetch` brings the newest bpftrace of Debian.

mod kernel;
mod load;

use std::{process::ExitCode, time::Duration};

use kernel::{Stats, Tool};

/// One thing both tools can do.
struct Case {
    name: &'static str,
    tapdeck: &'static str,
    bpftrace: &'static str,
    /// The ratio of net costs we promise.
    bar: f64,
}

const EMPTY_TAPDECK: &str = r#"global n probe kernel.trace("raw_syscalls:sys_enter") { if (0 == cpu() + 1) n = 1 }"#;
const EMPTY_BPFTRACE: &str = "tracepoint:raw_syscalls:sys_enter { }";

const COSTS: &[Case] = &[
    Case {
        name: "count by pid",
        tapdeck: r#"global n probe kernel.trace("raw_syscalls:sys_enter") { n[pid()]++ }"#,
        bpftrace: "tracepoint:raw_syscalls:sys_enter { @[pid] = count(); }",
        bar: 0.7,
    },
    Case {
        name: "count by execname",
        tapdeck: r#"global n probe kernel.trace("raw_syscalls:sys_enter") { n[execname()]++ }"#,
        bpftrace: "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }",
        bar: 0.7,
    },
    Case {
        name: "log2 histogram",
        tapdeck: r#"global h probe kernel.trace("raw_syscalls:sys_enter") { h <<< $id } probe end { print(@hist_log(h)) }"#,
        bpftrace: "tracepoint:raw_syscalls:sys_enter { @ = hist(args.id); }",
        bar: 0.7,
    },
    Case {
        name: "count/min/avg/max by pid",
        tapdeck: r#"global s probe kernel.trace("raw_syscalls:sys_enter") { s[pid()] <<< $id }
                    probe end { foreach (p in s) printf("%d %d %d %d %d\n", p, @count(s[p]), @min(s[p]), @avg(s[p]), @max(s[p])) }"#,
        bpftrace: "tracepoint:raw_syscalls:sys_enter { @c[pid] = stats(args.id); }",
        bar: 0.7,
    },
    Case {
        name: "printf of three fields",
        tapdeck: r#"probe kernel.trace("raw_syscalls:sys_enter") { printf("%d %d %s\n", pid(), $id, execname()) }"#,
        bpftrace: r#"tracepoint:raw_syscalls:sys_enter { printf("%d %d %s\n", pid, args.id, comm); }"#,
        bar: 0.1,
    },
];

const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let tools = match kernel::Tools::find() {
        Ok(tools) => tools,
        Err(missing) => {
            println!("SKIPPED: {missing}");
            return ExitCode::SUCCESS;
        }
    };
    let _stats = match Stats::enable() {
        Ok(stats) => stats,
        Err(reason) => {
            println!("SKIPPED: {reason}");
            return ExitCode::SUCCESS;
        }
    };
    println!("rival: {}", tools.rival_version());
    println!("{:<28} {:>10} {:>10} {:>8} {:>6}", "cost of an event, net ns", "tapdeck", "bpftrace", "ratio", "bar");
    let (mut ours_empty, mut theirs_empty) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours_empty.push(cost(&tools, Tool::Tapdeck, EMPTY_TAPDECK));
        theirs_empty.push(cost(&tools, Tool::Bpftrace, EMPTY_BPFTRACE));
    }
    let (ours_empty, theirs_empty) = (median(&mut ours_empty), median(&mut theirs_empty));
    for case in COSTS.iter().filter(|case| case.name.contains(&filter)) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(cost(&tools, Tool::Tapdeck, case.tapdeck) - ours_empty);
            theirs.push(cost(&tools, Tool::Bpftrace, case.bpftrace) - theirs_empty);
        }
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        println!("{:<28} {ours:>10.1} {theirs:>10.1} {:>8.2} {:>6}", case.name, ours / theirs, case.bar);
    }
    println!();
    println!("{:<28} {:>10} {:>10} {:>8} {:>6}", "exec to first event, ms", "tapdeck", "bpftrace", "ratio", "bar");
    for (name, n_others, rounds) in [("one probe", 0, 15), ("101 probes", CALLS.len(), 5)] {
        let (tapdeck, bpftrace) = scripts(n_others);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(start_up(&tools, Tool::Tapdeck, &tapdeck));
            theirs.push(start_up(&tools, Tool::Bpftrace, &bpftrace));
        }
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        println!("{name:<28} {ours:>10.1} {theirs:>10.1} {:>8.2} {:>6}", ours / theirs, 0.25);
    }
    ExitCode::SUCCESS
}

/// System calls by the names both tools have for them.
const CALLS: [&str; 50] = [
    "read",
    "write",
    "openat",
    "close",
    "poll",
    "lseek",
    "mmap",
    "mprotect",
    "munmap",
    "ioctl",
    "readv",
    "writev",
    "access",
    "pipe",
    "select",
    "madvise",
    "dup",
    "dup2",
    "pause",
    "alarm",
    "socket",
    "connect",
    "accept",
    "sendto",
    "recvfrom",
    "shutdown",
    "bind",
    "listen",
    "kill",
    "fcntl",
    "flock",
    "fsync",
    "ftruncate",
    "getdents",
    "chdir",
    "rename",
    "mkdir",
    "rmdir",
    "unlink",
    "readlink",
    "chmod",
    "chown",
    "umask",
    "ptrace",
    "setsid",
    "getrlimit",
    "statfs",
    "sync",
    "mount",
    "futex",
];

/// For tapdeck and for bpftrace: entry and return of so many system calls are counted, and what ends the run is one more.
fn scripts(n_others: usize) -> (String, String) {
    let mut ours = r#"probe syscall.getppid { printf("hit\n") exit() }"#.to_owned();
    let mut theirs = r#"tracepoint:syscalls:sys_enter_getppid { printf("hit\n"); exit(); }"#.to_owned();
    if n_others > 0 {
        ours.push_str(" global n, t");
    }
    for call in &CALLS[..n_others] {
        ours.push_str(&format!(
            " probe syscall.{call} {{ n[execname(), \"{call}\"]++ }} probe syscall.{call}.return {{ t[pid()] <<< $return }}"
        ));
        theirs.push_str(&format!(
            " tracepoint:syscalls:sys_enter_{call} {{ @n[comm, \"{call}\"] = count(); }} \
             tracepoint:syscalls:sys_exit_{call} {{ @t[pid] = stats(args.ret); }}"
        ));
    }
    (ours, theirs)
}

/// Mean ns of a program run under a getppid hammer, by the kernel's own run-time statistics.
fn cost(tools: &kernel::Tools, tool: Tool, script: &str) -> f64 {
    let mut run = tools.start(tool, script, false);
    let fresh = run.wait_for_programs();
    let start = kernel::totals(&fresh);
    load::hammer(Duration::from_millis(400));
    let end = kernel::totals(&fresh);
    run.stop();
    let runs = (end.runs - start.runs).max(1);
    (end.time_ns - start.time_ns) as f64 / runs as f64
}

/// Milliseconds from exec to the first line a probe prints.
fn start_up(tools: &kernel::Tools, tool: Tool, script: &str) -> f64 {
    let _load = load::Background::start();
    let mut run = tools.start(tool, script, true);
    let elapsed = run.wait_for_line("hit");
    run.stop();
    elapsed.as_secs_f64() * 1e3
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
