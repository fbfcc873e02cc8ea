//! Scripts with something wrong in them: every script of the tests and of the library, changed at random, goes through
//! the passes. Whatever they say, they say it in time and without a panic.
//!
//! `TAPDECK_MUTANTS=100000 nice cargo test --release --test it mutants -- --nocapture` tries so many, from
//! `TAPDECK_MUTANTS_SEED` on (0). Nothing is attached or run.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tapdeck::{
    debuginfo::World,
    diagnostics::stap_form::{self, State},
    language::Recovery,
    pipeline::{CompileOptions, Compiler, Input, Pass},
};

use crate::both::Rng;

/// Of an ordinary run of the tests.
const N_MUTANTS: u64 = 400;
/// The longest a script may take; an unoptimized build on a busy machine included.
const MAX_TIME: Duration = Duration::from_secs(20);
/// Longer ones are cut: what is looked for is small.
const MAX_BYTES: usize = 20_000;
/// Memory the whole test may have come to in KiB; what the library and the kernel's types take is a tenth of it.
const MAX_KIB: u64 = 1 << 20;

/// What stands between words of mutants.
const SPICE: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    ",",
    ".",
    "=",
    "<<<",
    "++",
    "-",
    "!",
    "~",
    "?",
    ":",
    "%",
    "%(",
    "%)",
    "%?",
    "%:",
    "%{",
    "%}",
    "\"",
    "\\",
    "@",
    "@1",
    "$1",
    "$#",
    "@#",
    "$x",
    "$$vars",
    "$x$$",
    "->",
    "&",
    "/*",
    "*/",
    "//",
    "#",
    "\n",
    "probe",
    "function",
    "global",
    "private",
    "foreach",
    "in",
    "limit",
    "delete",
    "try",
    "catch",
    "return",
    "next",
    "break",
    "if",
    "else",
    "while",
    "for",
    "string",
    "long",
    "@define",
    "@defined(",
    "@cast(",
    "@entry(",
    "@count(",
    "@hist_log(",
    "@variance(",
    "begin",
    "end",
    "timer.s(1)",
    "kernel.function(\"*\")",
    "syscall.*",
    "*",
    "?",
    "=~",
    "0x",
    "99999999999999999999",
    "-9223372036854775808",
    "\0",
    "\u{e9}",
    "printf(\"%",
    "printf(\"%*.*s%n\", ",
    "sprint(",
];

fn corpus() -> Vec<Vec<u8>> {
    fn gather(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                gather(&path, found);
            } else if path.extension().is_some_and(|ext| ext == "stp" || ext == "stpm") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    gather(&root.join("tests/scripts"), &mut found);
    gather(&root.join("tapsets"), &mut found);
    found.sort();
    found.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Pieces of a text: words, numbers, blanks, and every other byte by itself.
fn pieces(text: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let kind = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' => 1,
        b' ' | b'\n' | b'\t' => 2,
        _ => 0,
    };
    while let Some(first) = rest.first() {
        let n = if kind(first) == 0 { 1 } else { rest.iter().take_while(|byte| kind(byte) == kind(first)).count() };
        let (piece, behind) = rest.split_at(n);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

fn mutant(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let text = &corpus[rng.below(corpus.len())];
    let mut list: Vec<Vec<u8>> = pieces(text).into_iter().map(<[u8]>::to_vec).collect();
    for _ in 0..1 + rng.below(6) {
        if list.is_empty() {
            break;
        }
        let at = rng.below(list.len());
        let to = (at + 1 + rng.below(12)).min(list.len());
        match rng.below(9) {
            0 => drop(list.drain(at..to)),
            1 => {
                let copy = list[at..to].to_vec();
                list.splice(at..at, copy);
            }
            2 => {
                let other = rng.below(list.len());
                list.swap(at, other);
            }
            3 | 4 => list.insert(at, rng.pick(SPICE).as_bytes().to_vec()),
            5 => list[at] = rng.pick(SPICE).as_bytes().to_vec(),
            // A part of another script.
            6 => {
                let other = pieces(&corpus[rng.below(corpus.len())]);
                let from = rng.below(other.len().max(1)).min(other.len());
                let to = (from + rng.below(40)).min(other.len());
                let part: Vec<Vec<u8>> = other[from..to].iter().map(|piece| piece.to_vec()).collect();
                list.splice(at..at, part);
            }
            7 => {
                let n = 1 + rng.below(3000);
                let again = list[at].clone();
                list.splice(at..at, std::iter::repeat_n(again, n));
            }
            _ => list.truncate(at),
        }
    }
    let mut text = list.concat();
    text.truncate(MAX_BYTES);
    if rng.one_in(8) && !text.is_empty() {
        let at = rng.below(text.len());
        text[at] = rng.next() as u8;
    }
    text
}

/// The most memory this process had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What is being compiled, since when.
struct Compiling {
    seed: u64,
    since: Instant,
    text: Vec<u8>,
}

#[test]
fn mutants_neither_panic_nor_hang() {
    let compiler = Compiler::new(World::live().host, &[]);
    let corpus = corpus();
    let first = number("TAPDECK_MUTANTS_SEED").unwrap_or(0);
    let n = number("TAPDECK_MUTANTS").unwrap_or(N_MUTANTS);
    let current: Arc<Mutex<Option<Compiling>>> = Arc::default();
    let watched = current.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            if let Some(Compiling { seed, since, text }) = &*watched.lock().unwrap()
                && since.elapsed() > MAX_TIME
            {
                eprintln!("seed {seed} takes more than {MAX_TIME:?}:\n{}", String::from_utf8_lossy(text));
                std::process::abort();
            }
        }
    });
    let (mut wrong, mut n_accepted) = (Vec::new(), 0);
    for seed in first..first + n {
        let mut rng = Rng::new(seed);
        let text = mutant(&mut rng, &corpus);
        *current.lock().unwrap() = Some(Compiling { seed, since: Instant::now(), text: text.clone() });
        let recovery = if rng.one_in(2) { Recovery::Statements } else { Recovery::default() };
        let options = CompileOptions {
            last: if rng.one_in(3) { Pass::Parse } else { Pass::Generate },
            guru: rng.one_in(4),
            unoptimized: rng.one_in(4),
            live: rng.one_in(2),
            recovery,
            ..CompileOptions::default()
        };
        let input = Input { name: "mutant.stp".to_owned(), text: text.clone(), ..Input::default() };
        let compile = || {
            let compiled = compiler.compile(&input, &options);
            // What is said has to be sayable.
            let mut said = State::new(true);
            let render = |finding| stap_form::render(finding, &compiled.sources, &mut said).len();
            let shown: usize = compiled.diagnostics.iter().map(render).sum();
            let printed = compiled.text_form(Pass::Parse);
            (compiled.failed.is_none(), shown + printed.len())
        };
        match catch_unwind(AssertUnwindSafe(compile)) {
            Ok((accepted, _)) => n_accepted += u64::from(accepted),
            Err(_) => wrong.push(format!("== seed {seed} panics\n{}", String::from_utf8_lossy(&text))),
        }
        if wrong.len() >= 5 {
            break;
        }
    }
    *current.lock().unwrap() = None;
    println!("{n} mutants, {n_accepted} of them accepted, {} KiB at most", peak_kib());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(peak_kib() < MAX_KIB, "{} KiB", peak_kib());
}
