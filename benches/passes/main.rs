//! What compiling costs: processor time of the passes over a large script, of the editor's check of it, of loading many
//! probes; and the memory it takes.
//!
//! ```text
//! cargo bench --bench passes
//! ```
//!
//! Times are the thread's own on a processor, medians of several rounds, so that a busy machine matters little. Loading
//! needs root. It fails when one of the numbers is not what we promise.

mod script;

use std::{process::ExitCode, time::Duration};

use tapdeck::{
    debuginfo::World,
    language::Recovery,
    pipeline::{CompileOptions, Compiler, Input, Pass},
    runtime::{features, load},
};
use tapdeck_ebpf::object::line_info::WithLines;

const ROUNDS: usize = 21;
const ROUND: Duration = Duration::from_millis(60);
/// Names the run in a process of its own that tells its memory.
const MEMORY: &str = "--memory-of-passes-1-and-2";

fn main() -> ExitCode {
    let compiler = Compiler::new(World::live().host, &[]);
    let large = input(script::lines(1000));
    if std::env::args().any(|arg| arg == MEMORY) {
        compile(&compiler, &large, &options(Pass::Elaborate));
        println!("{}", peak_kib());
        return ExitCode::SUCCESS;
    }
    let mut kept = true;
    let mut row = |what: &str, value: f64, unit: &str, bar: f64| {
        println!("{what:<52} {value:>8.2} {unit:<4} of {bar}");
        kept &= value <= bar;
    };
    let passes = median(|| compile(&compiler, &large, &options(Pass::Elaborate)));
    row("passes 1 and 2 of a script of 1000 lines", passes, "ms", 20.0);
    let mut editor = CompileOptions { live: true, recovery: Recovery::Statements, ..options(Pass::Generate) };
    let whole = median(|| compile(&compiler, &large, &editor));
    row("the editor's check of it, all that can be found", whole, "ms", 16.0);
    // A keystroke in the middle of the script: what is being written there is half a word.
    let half = input(
        large
            .text
            .iter()
            .take(large.text.len() / 2)
            .chain(b"\n  prin")
            .chain(&large.text[large.text.len() / 2..])
            .copied()
            .collect(),
    );
    editor.last = Pass::Generate;
    row("the same with a mistake in the middle", median(|| compile(&compiler, &half, &editor)), "ms", 16.0);
    match memory() {
        Some(kib) => row("memory of passes 1 and 2", kib as f64 / 1024.0, "MiB", 30.0),
        None => println!("SKIPPED: memory: no process of its own could be started"),
    }
    if features::can_trace() {
        let loading = |probes: Vec<u8>| {
            let many = input(probes);
            median(|| {
                let compiled = compiler.compile(&many, &options(Pass::Run));
                let object = compiled.object.expect("a script that can be loaded");
                let loaded = load::load(&object, &WithLines::default()).expect("programs the kernel takes");
                std::hint::black_box(&loaded);
            })
        };
        row("100 probes no two of which do the same, verified", loading(script::unlike_probes(100)), "ms", 50.0);
        row("100 probes, from text to verified programs", loading(script::probes(100)), "ms", 50.0);
    } else {
        println!("SKIPPED: loading: {}", features::why_not());
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn input(text: Vec<u8>) -> Input {
    Input { name: "bench.stp".to_owned(), text, ..Input::default() }
}

fn options(last: Pass) -> CompileOptions {
    CompileOptions { last, ..CompileOptions::default() }
}

fn compile(compiler: &Compiler, input: &Input, options: &CompileOptions) {
    let compiled = compiler.compile(input, options);
    std::hint::black_box(&compiled);
}

/// Milliseconds of processor time, the median of some rounds after one that does not count. A round is as many runs as take
/// a while: kernels count in ticks of some milliseconds where they do not count exactly.
fn median(mut work: impl FnMut()) -> f64 {
    let begun = on_processor();
    work();
    let n_runs = (ROUND.as_secs_f64() / (on_processor() - begun).as_secs_f64().max(1e-3)).ceil().clamp(1.0, 100.0);
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = on_processor();
            (0..n_runs as usize).for_each(|_| work());
            on_processor() - begun
        })
        .collect();
    times.sort();
    times[ROUNDS / 2].as_secs_f64() * 1e3 / n_runs
}

/// Time this thread has been on a processor: the first number of proc(5)'s schedstat, in ns.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

fn memory() -> Option<u64> {
    let output = std::process::Command::new(std::env::current_exe().ok()?).arg(MEMORY).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The most memory this process had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
