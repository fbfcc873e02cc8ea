//! The IR in user space: handlers of begin, end, error and timers, and the pure functions that printed records still need.
//!
//! ```text
//!   ir::Handler ──▶ Machine { frames } ──reads, writes──▶ dyn Stores (heap, kernel maps)
//!                          │
//!                          └──prints, exits──▶ dyn Effects (the session)
//! ```
//!
//! Semantics are SystemTap's and stand at each instruction of [`tapdeck_ebpf::ir`]; nothing a script does can panic here,
//! overflow the host's stack or, unless `-D MAXACTION_INTERRUPTIBLE=0` allows it, run forever.

mod foreach;
mod memory;
mod render;
mod step;
mod stores;
mod strings;
mod surroundings;

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tapdeck_ebpf::ir::{self, HandlerId, Op, SiteId, SourceTag, Space, StrId, Term};

use self::{
    memory::{Frame, StringLimit, zero},
    stores::NoStores,
};
pub use self::{
    render::ArgList,
    stores::{CompositeStores, Element, ElementValue, HeapStores, Stores},
    surroundings::Surroundings,
};
use crate::{
    builtins::{self, HostContext, HostFn, Implementation, Stream, Value, symbols::Symbols},
    language::regex::Regex,
    runtime::plan::Lowered,
};

/// A script ready to run in this process. Shared and immutable; every run has its own machine.
pub struct Interpreter {
    lowered: Arc<Lowered>,
    /// By builtin id.
    hosts: Vec<Option<HostFn>>,
    /// Compiled when first asked for: most are the kernel's.
    regexes: HashMap<StrId, OnceLock<Option<Regex>>>,
    /// Somebody asks what the groups of a match are.
    asks_for_groups: bool,
    /// By print site: its arguments are its inputs, nothing to compute.
    plain: Vec<bool>,
    symbols: Option<Arc<dyn Symbols>>,
    surroundings: Surroundings,
    random: AtomicU64,
    n_cut: AtomicU64,
}

/// How a handler ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// `next`.
    Next,
    /// `abort()`. [`Effects::exit`] was called.
    Abort,
    Error(RuntimeError),
}

/// A script error nobody caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeError {
    pub message: Vec<u8>,
    /// Where: index of [`Lowered::spans`], or [`SourceTag::NONE`].
    pub tag: SourceTag,
}

/// What a running handler does to the session.
pub trait Effects: HostContext {
    /// A whole print's text.
    fn print(&mut self, stream: Stream, text: &[u8]);
    /// `exit()`: no new handlers; this one goes on.
    fn exit(&mut self);
    /// Asked now and then in loops: the session has to end now, so the handler does.
    fn interrupted(&mut self) -> bool {
        false
    }
    /// The bytes at an address of the kernel or of this process; false when they cannot be read.
    fn read_memory(&mut self, _space: Space, _address: i64, _into: &mut [u8]) -> bool {
        false
    }
    /// The text at an address up to its NUL, at most `max` bytes; `None` when it cannot be read.
    fn read_text(&mut self, _space: Space, _address: i64, _max: usize) -> Option<Vec<u8>> {
        None
    }
    /// The address of the `struct task_struct` of the thread that runs the handler, or 0.
    fn current_task(&mut self) -> i64 {
        0
    }
}

impl Interpreter {
    pub fn new(lowered: Arc<Lowered>) -> Self {
        let hosts = builtins::all()
            .map(|(_, row)| match row.implementation {
                Implementation::Host(function) => Some(function),
                _ => None,
            })
            .collect();
        let program = &lowered.ir;
        let regexes = ops(program).filter_map(|op| match op {
            Op::Regex { pattern, .. } => Some((*pattern, OnceLock::new())),
            _ => None,
        });
        let asks_for_groups = ops(program)
            .any(|op| matches!(op, Op::Intrinsic { op: ir::Intrinsic::Matched | ir::Intrinsic::NGroups, .. }));
        let regexes = regexes.collect();
        let plain = program.print_sites.iter().map(render::is_plain).collect();
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) | 1;
        Self {
            lowered,
            hosts,
            regexes,
            asks_for_groups,
            plain,
            symbols: None,
            surroundings: Surroundings::of_this_process(),
            random: seed.into(),
            n_cut: AtomicU64::new(0),
        }
    }

    /// Who tells stacks and the names of addresses.
    pub fn with_symbols(self, symbols: Arc<dyn Symbols>) -> Self {
        Self { symbols: Some(symbols), ..self }
    }

    pub fn symbols(&self) -> Option<&dyn Symbols> {
        self.symbols.as_deref()
    }

    pub fn lowered(&self) -> &Arc<Lowered> {
        &self.lowered
    }

    /// Strings that were longer than their place.
    pub fn n_cut(&self) -> u64 {
        self.n_cut.load(Relaxed)
    }

    fn regex(&self, pattern: StrId) -> Option<&Regex> {
        let compile = || {
            let pattern = std::str::from_utf8(self.lowered.ir.strings.get(pattern.index())?).ok()?;
            Regex::of_translated(pattern).ok()
        };
        self.regexes.get(&pattern)?.get_or_init(compile).as_ref()
    }

    fn limit(&self) -> StringLimit<'_> {
        StringLimit { max_string_len: self.lowered.ir.limits.max_string_len, n_cut: &self.n_cut }
    }

    /// Runs a user handler once.
    pub fn run_handler(
        &self,
        handler: HandlerId,
        site: SiteId,
        stores: &mut dyn Stores,
        effects: &mut dyn Effects,
    ) -> Outcome {
        self.run_handler_as(&self.surroundings, handler, site, stores, effects)
    }

    /// The same; the functions of the current task tell of another one.
    pub fn run_handler_as(
        &self,
        here: &Surroundings,
        handler: HandlerId,
        site: SiteId,
        stores: &mut dyn Stores,
        effects: &mut dyn Effects,
    ) -> Outcome {
        let body = &self.lowered.ir.handlers[handler.index()].body;
        let mut machine = Machine::new(self, site, stores, effects);
        machine.here = here;
        machine.frames.push(Frame::new(body, Vec::new(), None, self.limit()));
        machine.run_out()
    }

    /// Runs a function for what it does, in the name of an event.
    fn run_function_as(
        &self,
        here: &Surroundings,
        function: ir::FunctionId,
        args: Vec<Value>,
        stores: &mut dyn Stores,
        effects: &mut dyn Effects,
    ) -> Outcome {
        let body = &self.lowered.ir.functions[function.index()].body;
        let mut machine = Machine::new(self, SiteId(0), stores, effects);
        machine.here = here;
        machine.frames.push(Frame::new(body, args, None, self.limit()));
        machine.run_out()
    }

    /// Runs a pure function over values, for [`ir::Recipe::Apply`]. A function without a value gives 0.
    pub fn call_function(&self, function: ir::FunctionId, args: Vec<Value>) -> Result<Value, RuntimeError> {
        let function = &self.lowered.ir.functions[function.index()];
        let (mut stores, mut effects) = (NoStores, NoEffects { state: HashMap::new(), symbols: self.symbols() });
        let mut machine = Machine::new(self, SiteId(0), &mut stores, &mut effects);
        machine.frames.push(Frame::new(&function.body, args, None, self.limit()));
        let absent = || function.result.map_or(Value::Long(0), zero);
        match machine.run() {
            Ok(value) => Ok(value.unwrap_or_else(absent)),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Next | Stop::Abort) => Ok(absent()),
        }
    }
}

/// Every instruction of the program.
fn ops(program: &ir::Program) -> impl Iterator<Item = &Op> + '_ {
    let bodies = program.functions.iter().map(|f| &f.body).chain(program.handlers.iter().map(|h| &h.body));
    bodies.flat_map(|body| &body.blocks).flat_map(|block| &block.insts).map(|inst| &inst.op)
}

/// Blocks executed between two questions whether the session ends.
const BLOCKS_A_QUESTION: u32 = 256;

/// One run of a handler.
struct Machine<'p, 'e> {
    interpreter: &'p Interpreter,
    program: &'p ir::Program,
    here: &'e Surroundings,
    site: SiteId,
    stores: &'e mut dyn Stores,
    effects: &'e mut dyn Effects,
    frames: Vec<Frame<'p>>,
    /// Statements so far, where they are counted.
    actions: u64,
    /// Groups of the last successful match; `None` after a failed one.
    matched: Option<Vec<Option<Vec<u8>>>>,
    /// Scratch for text, reused between prints.
    text: Vec<u8>,
}

/// Why a run ended early.
enum Stop {
    Next,
    Abort,
    Error(RuntimeError),
}

/// What an instruction that failed says.
enum Failure {
    /// Goes to `catch` if there is one.
    Raise(Vec<u8>),
    /// `catch` does not see it.
    Fatal(&'static str),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::Raise(message.into_bytes())
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Failure::Raise(message.as_bytes().to_vec())
    }
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        Failure::Raise(error.message)
    }
}

impl<'p: 'e, 'e> Machine<'p, 'e> {
    fn new(
        interpreter: &'p Interpreter,
        site: SiteId,
        stores: &'e mut dyn Stores,
        effects: &'e mut dyn Effects,
    ) -> Self {
        Self {
            interpreter,
            program: &interpreter.lowered.ir,
            here: &interpreter.surroundings,
            site,
            stores,
            effects,
            frames: Vec::new(),
            actions: 0,
            matched: None,
            text: Vec::new(),
        }
    }

    /// To the end, whichever it is.
    fn run_out(mut self) -> Outcome {
        match self.run() {
            Ok(_) => Outcome::Done,
            Err(Stop::Next) => Outcome::Next,
            Err(Stop::Abort) => Outcome::Abort,
            Err(Stop::Error(error)) => Outcome::Error(error),
        }
    }

    /// Until the last frame returns; gives its value.
    fn run(&mut self) -> Result<Option<Value>, Stop> {
        let mut blocks = 0u32;
        loop {
            let frame = self.frames.last_mut().expect("a running machine has a frame");
            let body = frame.body;
            let block = &body.blocks[frame.block.index()];
            if let Some(inst) = block.insts.get(frame.at) {
                frame.at += 1;
                if let Err(failure) = self.execute(&inst.op) {
                    self.fail(failure, inst.tag)?;
                }
                continue;
            }
            // Every loop and every call ends blocks; asking at each would cost more than the block.
            blocks = blocks.wrapping_add(1);
            if blocks.is_multiple_of(BLOCKS_A_QUESTION) && self.effects.interrupted() {
                return Err(Stop::Abort);
            }
            match &block.term {
                Term::Jump(to) => frame.goto(*to),
                Term::Branch { cond, then, otherwise } => {
                    let to = if frame.long(*cond) != 0 { *then } else { *otherwise };
                    frame.goto(to);
                }
                Term::BranchCompare { op, a, b, then, otherwise } => {
                    let holds = step::holds(*op, frame.long(*a).cmp(&frame.long(*b)));
                    frame.goto(if holds { *then } else { *otherwise });
                }
                Term::IterNext { iter, keys, value, body, done } => {
                    let round = frame.iters[iter.index()].as_mut().and_then(|iteration| iteration.next());
                    match round {
                        None => frame.goto(*done),
                        Some((found, found_value)) => {
                            for (var, key) in keys.iter().zip(found) {
                                frame.set(*var, key);
                            }
                            if let Some(var) = value {
                                frame.set(*var, found_value);
                            }
                            frame.goto(*body);
                        }
                    }
                }
                Term::Return(value) => {
                    let value = value.map(|value| frame.value(self.program, value));
                    let result = frame.result;
                    self.frames.pop();
                    let Some(caller) = self.frames.last_mut() else { return Ok(value) };
                    if let Some(var) = result {
                        let ty = caller.body.vars[var.index()].ty;
                        caller.set(var, value.unwrap_or_else(|| zero(ty)));
                    }
                }
                Term::Next => return Err(Stop::Next),
                Term::Raise { message } => {
                    let message = frame.str(self.program, *message).to_vec();
                    self.fail(Failure::Raise(message), block.term_tag)?;
                }
                Term::Abort => {
                    self.effects.exit();
                    return Err(Stop::Abort);
                }
            }
        }
    }

    /// Goes on at the innermost `catch`, leaving frames on the way; without one the run ends.
    fn fail(&mut self, failure: Failure, tag: SourceTag) -> Result<(), Stop> {
        let message = match failure {
            Failure::Raise(message) => message,
            Failure::Fatal(message) => {
                return Err(Stop::Error(RuntimeError { message: message.as_bytes().to_vec(), tag }));
            }
        };
        while let Some(frame) = self.frames.last_mut() {
            let body = frame.body;
            if let Some(catch) = &body.blocks[frame.block.index()].catch {
                if let Some(var) = catch.message {
                    frame.set_str(var, &message);
                }
                frame.goto(catch.block);
                return Ok(());
            }
            self.frames.pop();
        }
        Err(Stop::Error(RuntimeError { message, tag }))
    }
}

/// A session for pure functions: nothing happens, nothing is remembered.
struct NoEffects<'s> {
    state: HashMap<String, Value>,
    symbols: Option<&'s dyn Symbols>,
}

impl HostContext for NoEffects<'_> {
    fn realtime_ns(&self) -> i64 {
        crate::sys::clock::now_ns(crate::sys::clock::Clock::Realtime)
    }
    fn target(&self) -> i64 {
        0
    }
    fn state(&mut self) -> &mut HashMap<String, Value> {
        &mut self.state
    }
    fn warn(&mut self, _: &[u8]) {}
    fn symbols(&self) -> Option<&dyn Symbols> {
        self.symbols
    }
}

impl Effects for NoEffects<'_> {
    fn print(&mut self, _: Stream, _: &[u8]) {}
    fn exit(&mut self) {}
}

#[cfg(test)]
mod tests;
