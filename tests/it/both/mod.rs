//! Scripts that mean the same in both executors. `tests/scripts/both/x.stp` has `probe both { … }`: the handler runs in
//! the interpreter as `begin`'s, and in the kernel as an event's; `x.out` is what both print; `//# linux: 6.9` says that an
//! older kernel cannot run it. And random scripts:
//!
//! `TAPDECK_FUZZ=100000 nice cargo test --release --test it both::random -- --nocapture` runs so many of them, from
//! `TAPDECK_FUZZ_SEED` on (0); what fails is made small and printed, to become a fixture. With `TAPDECK_FUZZ_STRINGS=64`
//! strings end at 63 bytes: programs are smaller and load faster, and texts are cut. With `TAPDECK_FUZZ_HANDLERS=1` each
//! has a dozen handlers, which differ in some numbers and texts: at as many system calls, where they are one program, at
//! fewer, or all at one tracepoint. With `TAPDECK_FUZZ_ROUNDS=1` no kernel is said to know `may_goto`.

mod random;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tapdeck::{
    debuginfo::World,
    diagnostics,
    pipeline::{CompileOptions, Compiled, Compiler, Input},
    runtime::plan::Lowered,
};
use tapdeck_ebpf::{
    Target,
    codegen::{CurrentTask, DirectReads},
    ir,
};

pub use self::random::Rng;
use self::random::{Maker, Script};
use crate::{
    executors::{Events, NoRun, Seen, interpret, run_in_kernel, target},
    runs::{in_the_lab, kernel_is_at_least},
    scripts::cases,
};

/// Where `both` is in either executor.
const HERE: &str = "begin";
const THERE: &str = "kernel.trace(\"sched_switch\")";

/// Where the handlers of a script with several are in the kernel, where they are no tracepoint's.
const CALLS: [&str; 12] = [
    "syscall.getpid",
    "syscall.getuid",
    "syscall.getgid",
    "syscall.geteuid",
    "syscall.getegid",
    "syscall.getppid",
    "syscall.gettid",
    "syscall.sched_yield",
    "syscall.pause",
    "syscall.sync",
    "syscall.munlockall",
    "syscall.vhangup",
];

const NO_SCRIPT: &str = "it is no script: ";

/// Random scripts of an ordinary run of the tests.
const N_RANDOM: u64 = 60;
/// Of those with several handlers.
const N_OF_SEVERAL: u64 = 20;

struct Both {
    compiler: Compiler,
    target: Target,
}

/// What came of a script.
enum Verdict {
    Same(Seen),
    /// The kernel cannot run it, for a reason a user is told.
    Refused(String),
    /// More than the kernel's verifier takes.
    TooLarge,
    /// Allowed to differ: statements are handed over and there was an error, or a limit was met.
    Incomparable(String),
    Wrong(String),
}

impl Both {
    /// `None` where nothing can be traced.
    fn new() -> Option<Self> {
        let target = Target { ring_bytes: 1 << 18, ..target()? };
        Some(Self { compiler: Compiler::new(World::live().host, &[]), target })
    }

    fn compile(&self, text: String) -> Compiled {
        let usual = ir::Limits::default();
        let max_string_len = number("TAPDECK_FUZZ_STRINGS").map_or(usual.max_string_len, |len| len as u16);
        let limits = ir::Limits { max_action_user: usual.max_action, max_string_len, ..usual };
        let options = CompileOptions { limits, max_map_entries: 64, ..CompileOptions::default() };
        let input = Input { name: "both.stp".to_owned(), text: text.into_bytes(), ..Input::default() };
        self.compiler.compile(&input, &options)
    }

    /// `text` makes the script for a probe point.
    fn run(&self, events: &Events, text: impl Fn(&str) -> String) -> Verdict {
        let here = match lowered(self.compile(text(HERE))) {
            Ok(here) => here,
            Err(errors) => return Verdict::Wrong(format!("{NO_SCRIPT}{errors}")),
        };
        // A handler that does nothing is left out.
        let n_runs: usize = here.ir.entries.iter().map(|entry| entry.runs.len()).sum();
        if n_runs < events.iter().map(Vec::len).sum() {
            return Verdict::Refused("handlers without an effect".to_owned());
        }
        let seen = interpret(&here, events);
        let there = match lowered(self.compile(text(THERE))) {
            Ok(there) => there,
            Err(errors) => return Verdict::Refused(errors),
        };
        let there_seen = match run_in_kernel(&there, events, &self.target) {
            Ok(there_seen) => there_seen,
            Err(NoRun::Refused(why)) => return Verdict::Refused(why),
            Err(NoRun::TooLarge) => return Verdict::TooLarge,
            Err(NoRun::Failed(error)) => return Verdict::Wrong(error),
        };
        let limits = ["MAXACTION exceeded", "MAXNESTING exceeded"];
        if seen.errors.iter().chain(&there_seen.errors).any(|error| limits.contains(&error.as_str())) {
            return Verdict::Incomparable(format!("{:?} {:?}", seen.errors, there_seen.errors));
        }
        let hands_over = there.ir.print_sites.iter().any(|site| site.runs.is_some());
        if hands_over && !(seen.errors.is_empty() && there_seen.errors.is_empty()) {
            return Verdict::Incomparable(format!("{:?} {:?}", seen.errors, there_seen.errors));
        }
        // Strings that were cut are counted where they are made, which may be more than once.
        let same = seen.output == there_seen.output && seen.errors == there_seen.errors;
        match same && seen.globals == there_seen.globals {
            true => Verdict::Same(seen),
            false => Verdict::Wrong(format!("-- interpreter\n{}-- kernel\n{}", shown(&seen), shown(&there_seen))),
        }
    }

    fn random(&self, script: &Script) -> Verdict {
        let n = script.n_handlers();
        self.run(&script.events(), |point| match script.n_calls {
            _ if point == HERE => script.text(&vec![point; n]),
            0 => script.text(&vec![point; n]),
            n_calls => script.text(&CALLS[..n_calls].iter().copied().cycle().take(n).collect::<Vec<_>>()),
        })
    }

    /// As small as it gets and still wrong.
    fn small(&self, mut script: Script) -> (Script, String) {
        let until = Instant::now() + Duration::from_secs(60);
        let Verdict::Wrong(mut why) = self.random(&script) else { return (script, "only once".to_owned()) };
        'again: while Instant::now() < until {
            for less in script.smaller() {
                if let Verdict::Wrong(still) = self.random(&less)
                    && (!still.starts_with(NO_SCRIPT) || why.starts_with(NO_SCRIPT))
                {
                    (script, why) = (less, still);
                    continue 'again;
                }
            }
            break;
        }
        (script, why)
    }
}

/// What older kernels cannot do, and what some sessions want counted, in turn.
fn varied(usual: &Target, seed: u64) -> Target {
    let has = |bits: u64| seed & bits != bits;
    Target {
        may_goto: usual.may_goto && has(0b111) && number("TAPDECK_FUZZ_ROUNDS").is_none(),
        bpf_loop: usual.bpf_loop && has(0b1000),
        lookup_percpu: usual.lookup_percpu && has(0b1_0100),
        current_task: if has(0b1_0010) { usual.current_task } else { CurrentTask::ByHelper },
        direct_reads: if has(0b11_0000) { usual.direct_reads } else { DirectReads::Never },
        timing: has(0b1),
        live_probes: has(0b1000),
        live_histograms: has(0b1_0000),
        ..usual.clone()
    }
}

fn lowered(compiled: Compiled) -> Result<Arc<Lowered>, String> {
    let errors: Vec<_> = compiled.errors().cloned().collect();
    match (compiled.lowered, errors.is_empty()) {
        (Some(lowered), true) => Ok(lowered),
        _ => Err(errors.iter().map(|e| diagnostics::concise_form::render(e, &compiled.sources)).collect()),
    }
}

fn shown(seen: &Seen) -> String {
    let mut text = seen.output.clone();
    if !text.ends_with('\n') && !text.is_empty() {
        text += "\\\n";
    }
    seen.errors.iter().for_each(|error| text += &format!("ERROR: {error}\n"));
    text + &format!("{:?} {:?}\n", seen.globals, seen.cuts)
}

#[test]
fn scripts_mean_the_same() {
    let Some(mut both) = Both::new() else { return };
    let usual = both.target.clone();
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = String::new();
    // How loops come about in older kernels, too.
    let by_calls = Target { may_goto: false, ..usual.clone() };
    let by_elements = Target { bpf_loop: false, ..by_calls.clone() };
    let mut targets = vec![("", usual)];
    if !update && kernel_is_at_least("6.9") {
        targets.extend([(", loops by bpf_loop", by_calls), (", loops by elements of a map", by_elements)]);
    }
    let cases = cases("both");
    for (loops, target) in targets {
        both.target = target;
        for case in &cases {
            if let Some(least) = case.directive("linux")
                && !kernel_is_at_least(&least)
            {
                eprintln!("skipped: {} is for Linux {least} and later", case.name);
                continue;
            }
            let script = std::fs::read_to_string(&case.path).unwrap();
            let actual = match both.run(&[vec![0]], |point| script.replace("probe both", &format!("probe {point}"))) {
                Verdict::Same(seen) => {
                    seen.errors.iter().fold(seen.output, |text, error| text + "ERROR: " + error + "\n")
                }
                Verdict::Refused(why) => format!("refused: {why}"),
                Verdict::TooLarge => "too large\n".to_owned(),
                Verdict::Incomparable(why) => format!("incomparable: {why}\n"),
                Verdict::Wrong(why) => format!("differs:\n{why}"),
            };
            let out = case.path.with_extension("out");
            if update {
                std::fs::write(&out, &actual).unwrap();
            }
            let expected = std::fs::read_to_string(&out).unwrap_or_default();
            if actual != expected || actual.starts_with("differs") || actual.starts_with("incomparable") {
                wrong += &format!("== both/{}{loops}\n-- expected\n{expected}\n-- actual\n{actual}\n", case.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n(UPDATE_EXPECT=1 rewrites)");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_scripts_mean_the_same() {
    if number("TAPDECK_FUZZ_HANDLERS").is_none() {
        try_random(1, N_RANDOM);
    }
}

#[test]
fn random_scripts_of_several_handlers_mean_the_same() {
    if number("TAPDECK_FUZZ").is_none() || number("TAPDECK_FUZZ_HANDLERS").is_some() {
        try_random(CALLS.len(), N_OF_SEVERAL);
    }
}

fn try_random(n_handlers: usize, n_usually: u64) {
    let Some(mut both) = Both::new() else { return };
    let usual = both.target.clone();
    let n = number("TAPDECK_FUZZ").unwrap_or(if in_the_lab() { n_usually / 5 } else { n_usually });
    let first = number("TAPDECK_FUZZ_SEED").unwrap_or(0);
    let (mut n_same, mut n_refused, mut n_incomparable, mut wrong) = (0u64, 0u64, 0u64, Vec::new());
    // Without `may_goto` loops are callbacks.
    let (mut n_too_large, mut n_by_callbacks) = (0u64, 0u64);
    let begun = Instant::now();
    for seed in first..first + n {
        let script = Maker::new(seed).script(n_handlers);
        let is_shown = std::env::var_os("TAPDECK_FUZZ_SHOW").is_some();
        if is_shown {
            println!("== seed {seed}\n{}", script.text(&vec!["both"; n_handlers]));
        }
        both.target = varied(&usual, seed);
        let verdict = both.random(&script);
        if is_shown {
            let what = match &verdict {
                Verdict::Same(seen) => shown(seen),
                Verdict::Refused(why) | Verdict::Incomparable(why) | Verdict::Wrong(why) => why.clone(),
                Verdict::TooLarge => "too large".to_owned(),
            };
            println!("{what}");
        }
        match verdict {
            Verdict::Same(_) => n_same += 1,
            Verdict::Refused(_) => n_refused += 1,
            Verdict::TooLarge if both.target.may_goto => n_too_large += 1,
            Verdict::TooLarge => n_by_callbacks += 1,
            Verdict::Incomparable(_) => n_incomparable += 1,
            Verdict::Wrong(_) => {
                let (script, why) = both.small(script);
                let text = format!("== seed {seed}\n{}\n{why}", script.text(&vec!["both"; n_handlers]));
                println!("{text}");
                wrong.push(text);
            }
        }
        let done = seed - first + 1;
        if done.is_multiple_of(1000) || done == n || wrong.len() >= 10 {
            println!(
                "{done}: {n_same} same, {n_refused} refused, {n_incomparable} incomparable, too large {n_too_large} \
                 and {n_by_callbacks} without may_goto, {:?}",
                begun.elapsed()
            );
        }
        if wrong.len() >= 10 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    n_too_large += n_by_callbacks;
    assert!(n_too_large <= 1 + n / 500, "{n_too_large} of {n} scripts are too large for the verifier");
    assert!(n_refused * 2 <= n, "{n_refused} of {n} scripts do not run in the kernel");
}
