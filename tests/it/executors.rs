//! Handlers run by both executors: by the interpreter, and as a program in the kernel through BPF_PROG_TEST_RUN. What
//! they printed, how they ended and what the globals hold then can be compared.

use std::{collections::HashMap, os::fd::AsFd, sync::Arc};

use tapdeck::{
    builtins::{HostContext, Stream, Value},
    debuginfo::World,
    pipeline::{CompileOptions, Compiler},
    runtime::{
        control::{Control, State, read_counters},
        features,
        interpreter::{CompositeStores, Effects, Element, ElementValue, HeapStores, Interpreter, Outcome, Stores},
        load::{self, LoadError},
        maps::KernelStores,
        plan::Lowered,
        ring::Ring,
    },
    sys,
};
use tapdeck_ebpf::{
    Target, generate,
    ir::*,
    layout::{
        Layout,
        record::{self, Record},
    },
    object::{MapRole, line_info::WithLines},
    stats::Merged,
};

/// What can be seen of a run.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub output: String,
    /// More than one only where parts of a handler are handed over.
    pub errors: Vec<String>,
    pub globals: Vec<(String, String)>,
    pub cuts: Cuts,
}

/// Strings that were cut. What nobody looks at is not computed in the kernel, so it may count fewer.
#[derive(Debug)]
pub enum Cuts {
    Here(u64),
    There(u64),
}

impl PartialEq for Cuts {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Cuts::Here(here), Cuts::There(there)) | (Cuts::There(there), Cuts::Here(here)) => there <= here,
            _ => false,
        }
    }
}

fn globals(lowered: &Lowered, stores: &dyn Stores) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (idx, decl) in lowered.ir.stores.iter().enumerate() {
        let store = StoreId(idx as u32);
        let shown = if !decl.keys.is_empty() {
            // Order is the executor's own.
            let mut elements: Vec<String> =
                stores.elements(store).unwrap().iter().map(|element| show(decl, element)).collect();
            elements.sort();
            elements.join(", ")
        } else if let StoreTy::Stat(shape) = &decl.value {
            show_stat(shape, &stores.stat(store, &[]).unwrap())
        } else {
            format!("{:?}", stores.get(store, &[]).unwrap())
        };
        all.push((decl.name.clone(), shown));
    }
    all
}

fn show(decl: &StoreDecl, element: &Element) -> String {
    let value = match (&element.value, &decl.value) {
        (ElementValue::Stat(merged), StoreTy::Stat(shape)) => show_stat(shape, merged),
        (value, _) => format!("{value:?}"),
    };
    format!("{:?}: {value}", element.keys)
}

/// What a script can ask of it.
fn show_stat(shape: &StatShape, merged: &Merged) -> String {
    let Merged { count, sum, min, max, buckets, .. } = merged;
    let hits: Vec<_> = buckets.iter().enumerate().filter(|(_, n)| **n > 0).collect();
    let kept = [(shape.sum, "sum", sum), (shape.min, "min", min), (shape.max, "max", max)];
    let kept: Vec<_> =
        kept.iter().filter(|(kept, ..)| *kept).map(|(_, name, value)| format!("{name} {value}")).collect();
    format!("count {count} {} buckets {hits:?}", kept.join(" "))
}

#[derive(Default)]
struct Session {
    output: Vec<u8>,
    state: HashMap<String, Value>,
}

impl HostContext for Session {
    fn realtime_ns(&self) -> i64 {
        0
    }
    fn target(&self) -> i64 {
        0
    }
    fn state(&mut self) -> &mut HashMap<String, Value> {
        &mut self.state
    }
    fn warn(&mut self, _: &[u8]) {}
}

impl Effects for Session {
    fn print(&mut self, _: Stream, text: &[u8]) {
        self.output.extend_from_slice(text);
    }
    fn exit(&mut self) {}
}

/// Handlers by their place in the text: those that an event runs, for each event. Everything ends with an error.
pub type Events = [Vec<usize>];

fn runs(lowered: &Lowered) -> Vec<&Run> {
    lowered.ir.entries.iter().flat_map(|entry| &entry.runs).collect()
}

pub fn interpret(lowered: &Arc<Lowered>, events: &Events) -> Seen {
    let interpreter = Interpreter::new(lowered.clone());
    let (mut stores, mut session) = (HeapStores::new(&lowered.ir), Session::default());
    let runs = runs(lowered);
    let handlers = events.iter().flatten().map(|handler| runs[*handler]);
    let outcomes = handlers.map(|run| interpreter.run_handler(run.handler, run.site, &mut stores, &mut session));
    let errors = outcomes.filter_map(message).take(1).collect();
    let output = String::from_utf8_lossy(&session.output).into_owned();
    Seen { output, errors, globals: globals(lowered, &stores), cuts: Cuts::Here(interpreter.n_cut()) }
}

pub fn target() -> Option<Target> {
    if !features::can_trace() {
        eprintln!("SKIPPED: {}", features::why_not());
        return None;
    }
    let world = World::live();
    let options = CompileOptions { ring_bytes: 1 << 20, ..CompileOptions::default() };
    Some(Compiler::new(world.host.clone(), &[]).target(&options))
}

/// Why nothing ran in the kernel.
pub enum NoRun {
    /// Code generation says that it cannot, and why.
    Refused(String),
    /// The verifier gave up on its size.
    TooLarge,
    /// What must not be.
    Failed(String),
}

pub fn run_in_kernel(lowered: &Arc<Lowered>, events: &Events, target: &Target) -> Result<Seen, NoRun> {
    let object = generate(&lowered.ir, target).map_err(|why| NoRun::Refused(why.to_string()))?;
    let loaded = match load::load(&object, &WithLines::default()) {
        Ok(loaded) => loaded,
        // E2BIG: more steps than it takes; ENOSPC: so many that its log does not fit.
        Err(LoadError::Rejected(rejection))
            if matches!(rejection.source.raw_os_error(), Some(7 | 28))
                || ["jumps is too complex", "cannot be patched due to 16-bit range"]
                    .iter()
                    .any(|limit| rejection.log.contains(limit)) =>
        {
            return Err(NoRun::TooLarge);
        }
        Err(LoadError::Rejected(rejection)) => {
            let log: Vec<&str> = rejection.log.lines().collect();
            let end = log[log.len().saturating_sub(30)..].join("\n");
            return Err(NoRun::Failed(format!("{}: {}\n{end}", rejection.program, rejection.source)));
        }
        Err(other) => return Err(NoRun::Failed(other.to_string())),
    };
    let layout = Layout::of(&lowered.ir, target.live_histograms);
    let counters = layout.counters;
    let loaded = Arc::new(loaded);
    let control = Control::new(layout.control, Some(&loaded)).unwrap();
    control.set_state(State::Running);
    let interpreter = Arc::new(Interpreter::new(lowered.clone()));
    let stores = KernelStores::new(layout, interpreter.clone(), Some(loaded.clone())).unwrap();
    let mut stores = CompositeStores::new(&lowered.ir, stores);
    let mut ring = Ring::open(&loaded).unwrap().expect("programs that print");

    let (mut session, mut errors) = (Session::default(), Vec::new());
    let runs = runs(lowered);
    for handlers in events {
        // The tracepoint of system calls tells registers and number; others' arguments are nobody's here.
        let context = [0, u64::from(runs[handlers[0]].syscall.unwrap_or(0))];
        sys::bpf::prog_test_run_raw_tp(loaded.programs[0].as_fd(), &context)
            .map_err(|error| NoRun::Failed(error.to_string()))?;
        ring.drain(usize::MAX, |bytes| match record::decode(bytes, &lowered.ir) {
            Record::Print { site, .. } if lowered.ir.print_sites[site.index()].runs.is_some() => {
                errors.extend(message(interpreter.run_record(site, bytes, &mut stores, &mut session)));
            }
            Record::Print { site, .. } => {
                let mut text = Vec::new();
                match interpreter.render_record(site, bytes, &stores, &mut text) {
                    Ok(()) => session.print(interpreter.stream(site), &text),
                    Err(error) => errors.push(String::from_utf8_lossy(&error.message).into_owned()),
                }
            }
            Record::Error(record) => errors.push(String::from_utf8_lossy(&record.message).into_owned()),
            _ => (),
        });
        if !errors.is_empty() {
            break;
        }
    }
    let output = String::from_utf8_lossy(&session.output).into_owned();
    let counters = read_counters(loaded.map(MapRole::Counters), counters);
    Ok(Seen { output, errors, globals: globals(lowered, &stores), cuts: Cuts::There(counters.truncated) })
}

fn message(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Error(error) => Some(String::from_utf8_lossy(&error.message).into_owned()),
        Outcome::Done | Outcome::Next | Outcome::Abort => None,
    }
}
