//! IR to eBPF.
//!
//! ```text
//!   handler ─ flatten ─▶ one graph ─ liveness: drop, coalesce ─▶ needs, frame ─▶ emit ─▶ code
//!             calls inlined                                      where all lives
//!   entries: the program around the handlers of one event, like ones joined (alike)
//! ```

mod alike;
mod arith;
mod arrays;
mod context;
mod emit;
mod entries;
mod errors;
mod flatten;
mod frame;
mod front;
mod iterate;
mod liveness;
mod maps;
mod meetings;
mod needs;
mod other_task;
mod packed;
mod pointers;
mod printing;
mod rare;
mod regex;
mod rounds;
mod sending;
mod statistics;
mod strings;
mod strtol;
#[cfg(test)]
mod tests;
mod wrap;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

pub use pointers::{KernelTypes, Known};

use crate::{ir, object::Object};
use entries::Programs;
use maps::Shared;

/// What the kernel that will run the programs can do, and what the session wants counted.
#[derive(Clone, Debug)]
pub struct Target {
    /// Processors that may ever be online; sizes per-CPU loops.
    pub n_cpus: u32,
    /// `may_goto` loops (6.9); otherwise loops are made of callbacks, or unrolled by the verifier.
    pub may_goto: bool,
    /// `bpf_for_each_map_elem` (5.13).
    pub for_each_map_elem: bool,
    /// `bpf_loop` (5.17).
    pub bpf_loop: bool,
    /// `bpf_map_lookup_percpu_elem` (5.19).
    pub lookup_percpu: bool,
    /// `bpf_snprintf` (5.13).
    pub snprintf: bool,
    /// How programs get at the current task.
    pub current_task: CurrentTask,
    /// `bpf_task_pt_regs` (5.15).
    pub task_pt_regs: bool,
    /// Whether memory of the kernel can be read by loads.
    pub direct_reads: DirectReads,
    /// `None`: what points where is not known.
    pub types: Option<Arc<dyn KernelTypes>>,
    /// Offsets in bytes inside `struct task_struct` and friends, from BTF.
    pub offsets: TaskOffsets,
    /// Bytes of records the ring holds: a power of two; at least [`crate::layout::ring::MIN_BYTES`] are taken.
    pub ring_bytes: u32,
    /// Other processors see stores in the order they were made (x86), so the last one may say that all are done.
    pub stores_in_order: bool,
    /// Measure every run of every handler: [`crate::layout::times`].
    pub timing: bool,
    /// Check the on/off switch of each probe and count its hits.
    pub live_probes: bool,
    /// Keep log2 buckets of every statistic, for live histograms.
    pub live_histograms: bool,
}

impl Target {
    /// A function of its own may be given the address of a key and give it to a helper: 6.2, as is `bpf_rdonly_cast`.
    fn passes_keys(&self) -> bool {
        matches!(self.direct_reads, DirectReads::ByCast(_))
    }

    /// See [`rounds`].
    fn loops_by_callbacks(&self) -> bool {
        !self.may_goto && self.for_each_map_elem
    }
}

/// When a load may stand for a call of `bpf_probe_read_kernel`: it has a sixth of its price. It gives 0 where there is no
/// memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectReads {
    Never,
    /// Through pointers the verifier knows: the arguments of trampolines, and what they lead to.
    ByType,
    /// Anywhere.
    ByCast(Cast),
}

/// How an address becomes a pointer that the verifier lets a program load through: `bpf_rdonly_cast` (6.2), in whose place
/// the verifier puts a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast {
    /// The function's id in the kernel's BTF.
    pub function: u32,
    /// What to make of an address to load 1, 2, 4 and 8 bytes: ids of structures that begin with such a number, or 0 where
    /// pointers to anything do (6.17).
    pub types: [u32; 4],
}

/// How a program gets at the `struct task_struct` of the task it interrupted, to load its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurrentTask {
    /// Not at all.
    Unknown,
    /// By `bpf_get_current_task_btf` (5.11).
    ByHelper,
    /// At the tracepoints of system calls by a look at the task that was last seen on this stack, elsewhere by the helper.
    /// For kernels that guard each of their returns against speculation (AMD's SRSO and Retbleed): a call of any helper
    /// costs 15 to 20 ns there, the look 3.
    ByStack(TaskByStack),
}

/// What [`CurrentTask::ByStack`] needs. A task whose member `stack` is where this code runs is the current one, whatever
/// was known of it before: no two have one stack, and a task loses its when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskByStack {
    pub cast: Cast,
    /// `struct task_struct` and `struct pt_regs`: ids in the kernel's BTF.
    pub task_struct: u32,
    pub pt_regs: u32,
    /// Offset in bytes of the address of a task's stack.
    pub stack: u32,
}

impl TaskByStack {
    /// `THREAD_SIZE` of x86_64, which a stack is aligned to. Where a kernel has larger ones the helper is called.
    const STACK_BYTES: i32 = 16 << 10;
    /// Tasks that are remembered; a power of two.
    const N_TASKS: u32 = 4096;
    /// Spreads the addresses of stacks, which are at regular distances: 2^32 divided by the golden ratio.
    const SPREAD: i64 = 0x9e37_79b9;
}

impl Target {
    /// Whether programs at the tracepoints of system calls load the user's registers.
    fn user_registers_are_known(&self) -> bool {
        match self.current_task {
            CurrentTask::Unknown => false,
            CurrentTask::ByHelper => self.task_pt_regs,
            CurrentTask::ByStack(_) => true,
        }
    }
}

impl CurrentTask {
    pub fn is_known(self) -> bool {
        self != Self::Unknown
    }
}

/// `None`: not known, so the helper is used or the value is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskOffsets {
    pub comm: Option<u32>,
    pub pid: Option<u32>,
    pub tgid: Option<u32>,
    pub real_parent: Option<u32>,
    pub cred: Option<u32>,
    pub cred_uid: Option<u32>,
    pub cred_gid: Option<u32>,
    pub cred_euid: Option<u32>,
    pub cred_egid: Option<u32>,
    /// The word of the task whose bit says that a system call is a 32-bit one, while it lasts.
    pub compat: Option<CompatBit>,
    /// Of `orig_ax` (x86_64) or `syscallno` (arm64) in `struct pt_regs`: the syscall number at sys_exit.
    pub regs_syscall_nr: u32,
    /// Of a system call's six argument registers in `struct pt_regs`.
    pub regs_args: [u32; 6],
    /// Of a function's six argument registers, and of its result.
    pub regs_function_args: [u32; 6],
    pub regs_return: u32,
    pub regs_ip: u32,
    /// How far the instruction pointer is behind the place of a breakpoint.
    pub breakpoint_bytes: u32,
    /// Of general registers in `struct pt_regs`, by their DWARF numbers; [`NO_REGISTER`] where there is none.
    pub registers: &'static [u16],
}

/// In [`TaskOffsets::registers`]: none of that number.
pub const NO_REGISTER: u16 = u16::MAX;

impl TaskOffsets {
    fn register(&self, number: u8) -> Option<u16> {
        self.registers.get(usize::from(number)).copied().filter(|offset| *offset != NO_REGISTER)
    }
}

/// Four bytes of `struct task_struct` and the bit in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompatBit {
    pub offset: u32,
    pub mask: u32,
}

/// Why a program cannot become eBPF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct GenerateError {
    pub tag: crate::ir::SourceTag,
    /// Lower case, no full stop.
    pub reason: String,
}

/// Stands for the empty literal, where generation needs one.
const EMPTY: ir::StrId = ir::StrId(u32::MAX - 1);

/// Generates the maps and programs of every kernel entry.
///
/// # Errors
/// What the kernel cannot do, with where the script asks for it.
pub fn generate(program: &ir::Program, target: &Target) -> Result<Object, GenerateError> {
    let mut shared = Shared::new(program, target);
    shared.standard();
    count_entry_kinds(&mut shared);
    let mut programs = Programs {
        shared: &mut shared,
        prepared: HashMap::new(),
        written: flatten::Written::default(),
        programs: Vec::new(),
        functions: Vec::new(),
    };
    for (index, entry) in program.entries.iter().enumerate() {
        programs.entry(index, entry)?;
    }
    let Programs { programs, functions, .. } = programs;
    Ok(Object { btf: crate::object::btf::encode(&functions), programs, maps: shared.finish() })
}

/// For each store, how many kinds of entries run handlers that sample into it; syscalls count as one.
fn count_entry_kinds(shared: &mut Shared<'_>) {
    let program = shared.program;
    let mut kinds: Vec<HashSet<String>> = vec![HashSet::new(); program.stores.len()];
    for entry in program.entries.iter().filter(|entry| entry.kind.in_kernel()) {
        let kind = match &entry.kind {
            ir::EntryKind::SysEnter | ir::EntryKind::SysExit => "syscalls".to_owned(),
            other => format!("{other:?}"),
        };
        let mut bodies: Vec<&ir::Body> =
            entry.runs.iter().map(|run| &program.handlers[run.handler.index()].body).collect();
        let mut seen = HashSet::new();
        while let Some(body) = bodies.pop() {
            for op in body.blocks.iter().flat_map(|block| &block.insts).map(|inst| &inst.op) {
                if let ir::Op::Call { function, .. } = op
                    && seen.insert(*function)
                {
                    bodies.push(&program.functions[function.index()].body);
                }
                if let Some(store) = op.store() {
                    kinds[store.index()].insert(kind.clone());
                }
            }
        }
    }
    shared.entry_kinds = kinds.iter().map(HashSet::len).collect();
}
