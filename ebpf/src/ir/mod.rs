//! The intermediate representation: what a handler does, for either executor.
//!
//! A [`Program`] holds stores (the script's globals), functions and handlers. A body is a graph of blocks over mutable
//! typed variables: longs, and strings with a fixed capacity. The same body runs in the interpreter and, where every
//! instruction allows it, as eBPF; the semantics are SystemTap's and are written at each instruction in [`inst`].

mod builder;
mod entities;
mod inst;
mod text;
mod verify;
mod walk;

pub use builder::*;
pub use entities::*;
pub use inst::*;
pub use text::{ParseError, parse};
pub use verify::{VerifyError, verify};
pub use walk::Kind;

/// Everything one script came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Literals, without a terminating NUL.
    pub strings: Vec<Vec<u8>>,
    pub stores: Vec<StoreDecl>,
    pub functions: Vec<Function>,
    pub handlers: Vec<Handler>,
    /// What may differ between the places one handler is attached to.
    pub sites: Vec<SiteData>,
    pub print_sites: Vec<PrintSite>,
    /// What runs where; in attach order. Kernel entries become programs, [`EntryKind::User`] ones are the interpreter's.
    pub entries: Vec<Entry>,
    pub limits: Limits,
}

/// A global of the script.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreDecl {
    /// The script's name, unique.
    pub name: String,
    /// Empty for a scalar; at most 9.
    pub keys: Vec<Ty>,
    pub value: StoreTy,
    /// Of an array: elements before overflow.
    pub max_entries: u32,
    /// The script wrote that number (`a[N]`); otherwise it is MAXMAPENTRIES.
    pub sized: bool,
    /// `%`: when full, the element inserted first makes room.
    pub wrap: bool,
    /// Start value of a scalar; 0 or "" when `None`.
    pub init: Option<Const>,
    /// Some handler that runs in the kernel touches it, so it lives in a map. Otherwise it lives in the interpreter.
    pub in_kernel: bool,
}

impl StoreDecl {
    /// The script error of an insert that finds no room.
    pub fn overflow_message(&self) -> String {
        match self.sized {
            true => format!("Array overflow, check size limit ({})", self.max_entries),
            false => "Array overflow, check MAXMAPENTRIES".to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum StoreTy {
    Long,
    Str {
        cap: u16,
    },
    /// A text as [`Ty::Packed`] keeps it. `plain` is the site of a text that is known as it is, for those user space writes.
    Packed {
        cap: u16,
        plain: PrintId,
    },
    Stat(StatShape),
}

/// What a `<<<` keeps; a field nobody asks for costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StatShape {
    /// The count is always kept.
    pub sum: bool,
    pub min: bool,
    pub max: bool,
    /// Bit shift of `@variance(x, shift)`.
    pub variance: Option<u8>,
    pub hist: Option<HistShape>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HistShape {
    /// 128 buckets; bucket 64 is 0, 64 + n holds values of bit length n, 64 - n negative ones.
    Log,
    /// `(stop - start) / step + 3` buckets: below start, the steps, and stop or more.
    Linear { start: i64, stop: i64, step: i64 },
}

impl HistShape {
    pub fn n_buckets(self) -> usize {
        match self {
            HistShape::Log => 128,
            HistShape::Linear { start, stop, step } => ((stop - start) / step + 3) as usize,
        }
    }

    /// The lowest value of a bucket, as rows are labelled; for negative values of `Log` the highest magnitude's power
    /// of two. Of a linear histogram's underflow it is `start`, of its overflow the last step: the row says `<`, `>`.
    pub fn label(self, bucket: usize) -> i64 {
        match self {
            HistShape::Log if bucket == 64 => 0,
            HistShape::Log if bucket < 64 => (1i64 << (63 - bucket)).wrapping_neg(),
            HistShape::Log => 1i64 << (bucket.min(127) - 65),
            HistShape::Linear { start, step, .. } => {
                let steps = if bucket == 0 { 0 } else { bucket.min(self.n_buckets() - 2) - 1 };
                start.wrapping_add(step.wrapping_mul(steps as i64))
            }
        }
    }

    /// The bucket a value falls into.
    pub fn bucket(self, value: i64) -> usize {
        match self {
            HistShape::Log => {
                let n = 64 - value.unsigned_abs().leading_zeros() as usize;
                if value >= 0 { (64 + n).min(127) } else { 64 - n }
            }
            HistShape::Linear { start, step, .. } => {
                let last = self.n_buckets() - 1;
                if value < start {
                    0
                } else {
                    (((value.wrapping_sub(start)) as u64 / step as u64) as usize + 1).min(last)
                }
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Const {
    Long(i64),
    Str(Vec<u8>),
}

/// Script limits, SystemTap's `-D` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a string including its NUL.
    pub max_string_len: u16,
    /// Statements one handler run may execute in the kernel; counted where loops or recursion exist.
    pub max_action: u32,
    /// The same for handlers in user space; 0 is no limit.
    pub max_action_user: u32,
    /// Depth of recursion.
    pub max_nesting: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_string_len: 512, max_action: 1000, max_action_user: 10_000, max_nesting: 10 }
    }
}

/// A function of the script. Called by [`Op::Call`]; a kernel handler gets it inlined.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    pub name: String,
    /// The first `n_params` variables of the body, in order.
    pub n_params: usize,
    pub result: Option<Ty>,
    /// Calls itself, directly or through others.
    pub recursive: bool,
    /// Reads and writes nothing but its arguments: may be run later, in user space, on values captured in the kernel.
    pub pure_: bool,
    pub body: Body,
}

/// A probe's body. Attached at one or many sites.
#[derive(Clone, Debug, PartialEq)]
pub struct Handler {
    /// For listings and program names: the first probe point.
    pub name: String,
    /// Which script probe it is, for hit counts and on/off: index of the caller's own table.
    pub probe: u32,
    pub body: Body,
    pub tag: SourceTag,
}

/// A graph of blocks. Execution starts at block 0 with every long 0 and every string "" (parameters excepted).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    pub vars: Vec<VarDecl>,
    pub blocks: Vec<BlockData>,
    /// How many iterators ([`Iter`]) it uses.
    pub n_iters: u32,
    /// It contains a loop, or is a recursive function's, so [`Op::Actions`] counts.
    pub has_loops: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VarDecl {
    pub ty: Ty,
    /// The script's name of a local; `None` for a temporary.
    pub name: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BlockData {
    pub insts: Vec<Inst>,
    pub term: Term,
    pub term_tag: SourceTag,
    /// Where errors raised in this block go: the `catch` of the innermost `try` of this body.
    pub catch: Option<Catch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    pub block: Block,
    /// A string variable that gets the message.
    pub message: Option<Var>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Inst {
    pub op: Op,
    pub tag: SourceTag,
}

/// Texts that belong to a site rather than to the handler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteData {
    /// `pp()`: the probe point, fully resolved.
    pub pp: Vec<u8>,
    /// `pn()`: the probe point as the script wrote it.
    pub pn: Vec<u8>,
    /// `ppfunc()`, `probefunc()`.
    pub func: Vec<u8>,
    /// The alias variable `name`: the syscall's or event's name.
    pub name: Vec<u8>,
    /// `probe_type()`: what the kernel has that leads here.
    pub way: Vec<u8>,
    /// Tells the places of one handler apart: a kernel function's address or index. The caller's own.
    pub number: i64,
}

/// One place in the kernel (or in user space) where handlers run, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub kind: EntryKind,
    pub runs: Vec<Run>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// raw_tp/sys_enter; each run says its syscall number.
    SysEnter,
    /// raw_tp/sys_exit; each run says its syscall number.
    SysExit,
    /// raw_tp/NAME. `n_args` of the tracepoint's prototype; `task_arg`: the argument that is the current task to the
    /// handlers, when that is not the one that runs.
    RawTracepoint { name: String, n_args: u8, task_arg: Option<u8> },
    /// The trampoline at a kernel function's entry, or behind its return when `exit`: arguments as words, and the result.
    /// `btf_id` is the function's in the type information of the kernel or of `module`.
    Fentry { function: String, module: Option<String>, btf_id: u32, n_args: u8, exit: bool },
    /// One program for any number of places in the kernel's code, or for the returns of functions when `exit`: registers
    /// only. The index of the run comes as the link's cookie. `group` tells such entries apart; `multi`: by one link.
    Kprobe { group: u32, multi: bool, exit: bool },
    /// A perf event program, e.g. `timer.profile`: `pt_regs` of the interrupted context.
    PerfEvent { name: String },
    /// The interpreter runs it.
    User,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub handler: HandlerId,
    pub site: SiteId,
    /// The syscall number of a SysEnter/SysExit run.
    pub syscall: Option<u32>,
}

/// What a print instruction sends and how its arguments come out of that.
#[derive(Clone, Debug, PartialEq)]
pub struct PrintSite {
    /// Index into the caller's table of formats; opaque here.
    pub format: u32,
    /// What is captured where the instruction runs.
    pub inputs: Vec<InputTy>,
    /// The format's arguments, computed from the inputs in user space.
    pub args: Vec<Recipe>,
    /// Instead of being printed, the arguments go to a function, which user space runs when it reads the record.
    pub runs: Option<Rest>,
    /// The same format in `bpf_snprintf`'s dialect (bpf-helpers(7)), for [`Op::Sprint`] in the kernel; `None` if it can't.
    pub kernel_format: Option<Vec<u8>>,
}

/// What is left to do of a handler, and may only be done in user space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    pub function: FunctionId,
    /// What it is told when it asks about the current task, the processor and the clocks: the input that says it.
    pub context: Vec<(Intrinsic, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputTy {
    Long,
    /// At most `cap - 1` bytes.
    Str {
        cap: u16,
    },
    /// Up to `cap` bytes of memory (`%m`, `%M`): the operands are address and length.
    Memory {
        cap: u16,
        space: Space,
    },
    /// The bytes of a [`Ty::Packed`]; user space takes the text for it.
    Packed {
        cap: u16,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Recipe {
    Input(usize),
    /// A pure function run in user space over other recipes.
    Apply {
        function: FunctionId,
        args: Vec<Recipe>,
    },
    /// A histogram of a store's element, rendered when the record is read.
    Hist {
        store: StoreId,
        keys: Vec<Recipe>,
        shape: HistShape,
    },
}
