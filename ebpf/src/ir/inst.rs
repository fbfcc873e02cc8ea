//! Every instruction: operands, result, effect, errors, and which executor may run it.
//!
//! "Raises" means: control goes to the block's `catch`, or the handler ends with that script error. A string that is
//! longer than the destination's capacity, or than MAXSTRINGLEN, is cut without an error, and counted.

use super::*;

#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// `dst = src`.
    Copy {
        dst: Var,
        src: Operand,
    },
    /// 64-bit wrapping arithmetic. `Div` and `Rem` truncate like C, raise "division by 0"; x / -1 is -x.
    /// Shift counts are taken modulo 64.
    Binary {
        op: BinOp,
        dst: Var,
        a: Operand,
        b: Operand,
    },
    /// Signed comparison: 0 or 1.
    Compare {
        op: CmpOp,
        dst: Var,
        a: Operand,
        b: Operand,
    },
    Unary {
        op: UnOp,
        dst: Var,
        a: Operand,
    },

    StrCopy {
        dst: Var,
        src: StrOperand,
    },
    StrConcat {
        dst: Var,
        a: StrOperand,
        b: StrOperand,
    },
    /// Byte-wise like strcmp: 0 or 1.
    StrCompare {
        op: CmpOp,
        dst: Var,
        a: StrOperand,
        b: StrOperand,
    },

    /// The text that user space will make of the site's only argument; `inputs` as for [`Op::Print`]. `dst` is none of them.
    Pack {
        dst: Var,
        site: PrintId,
        inputs: Vec<Arg>,
    },
    /// `dst = src`, or "" when there is none. Room for the source there must be.
    PackCopy {
        dst: Var,
        src: Option<Var>,
    },

    /// `subject =~ pattern` (`!~` when negated): 0 or 1. The pattern is in the syntax of [`crate::regex`]. A match is what
    /// [`Intrinsic::Matched`] and [`Intrinsic::NGroups`] ask about, in user space.
    Regex {
        dst: Var,
        subject: StrOperand,
        pattern: StrId,
        negated: bool,
    },

    /// A builtin both sides know.
    Intrinsic {
        op: Intrinsic,
        dst: Option<Var>,
        args: Vec<Arg>,
    },
    /// A builtin only the interpreter has: index into the caller's table. User side only.
    Host {
        function: u32,
        dst: Option<Var>,
        args: Vec<Arg>,
    },
    /// Inlined in the kernel. A call of a recursive function with more than `max_nesting` frames open raises
    /// "MAXNESTING exceeded".
    Call {
        function: FunctionId,
        dst: Option<Var>,
        args: Vec<Arg>,
    },

    /// Reads `width` (1, 2, 4, 8) bytes. A fault raises "kernel|user read fault at 0x…" style errors, worded by `what`.
    Read {
        dst: Var,
        space: Space,
        addr: Operand,
        width: u8,
        signed: bool,
        on_fault: OnFault,
    },
    /// Reads a NUL-terminated string; at most `max` bytes of text when given.
    ReadStr {
        dst: Var,
        space: Space,
        addr: Operand,
        max: Option<Operand>,
        on_fault: OnFault,
    },

    /// A value of the context the handler was entered with. Kernel only (0 in user space).
    Context {
        dst: Var,
        field: ContextField,
    },
    /// A text of the site.
    Site {
        dst: Var,
        field: SiteField,
    },

    /// A global or an array element; 0 or "" when it is not there. Creates nothing.
    Get {
        dst: Var,
        store: StoreId,
        keys: Vec<Arg>,
    },
    /// Raises "Array overflow, check MAXMAPENTRIES" when a new element has no room and the store does not wrap.
    Set {
        store: StoreId,
        keys: Vec<Arg>,
        value: Arg,
    },
    /// Atomic add, creating the element. `result`: the value before or after.
    Add {
        store: StoreId,
        keys: Vec<Arg>,
        delta: Operand,
        result: Option<(Var, When)>,
    },
    /// 1 if the element is there. `None` is `*`: user side only.
    Contains {
        dst: Var,
        store: StoreId,
        keys: Vec<Option<Arg>>,
    },
    /// Forgets an element; with `*` keys every match (user side only); a scalar goes back to 0, "" or no samples.
    Delete {
        store: StoreId,
        keys: Vec<Option<Arg>>,
    },
    /// Forgets every element of an array.
    Clear {
        store: StoreId,
    },

    /// `store[keys] <<< value`.
    Accumulate {
        store: StoreId,
        keys: Vec<Arg>,
        value: Operand,
    },
    /// Merged over CPUs. Count and Sum of nothing are 0; the others raise "empty aggregate".
    Extract {
        dst: Var,
        store: StoreId,
        keys: Vec<Arg>,
        op: Extractor,
    },
    /// One bucket of the store's histogram. Raises "histogram index out of range", "empty aggregate".
    Bucket {
        dst: Var,
        store: StoreId,
        keys: Vec<Arg>,
        index: Operand,
    },

    /// Sends a record to the output, or runs the site's [`Rest`]. `inputs` match the site's (a Memory input takes two longs: address, length).
    Print {
        site: PrintId,
        inputs: Vec<Arg>,
    },
    /// The text instead of output. In the kernel only with `kernel_format` and plain inputs.
    Sprint {
        dst: Var,
        site: PrintId,
        inputs: Vec<Arg>,
    },

    /// Ends the session softly: no new handlers, `end` probes run.
    Exit,
    /// `n` statements were executed; raises "MAXACTION exceeded" past the limit (not catchable). Only in bodies with loops.
    Actions {
        n: u32,
    },

    /// Takes a snapshot to iterate over.
    IterBegin {
        iter: Iter,
        source: IterSource,
        sort: Option<IterSort>,
        limit: Option<Operand>,
    },
    /// Gives the snapshot back; every way out of the loop passes one.
    IterEnd {
        iter: Iter,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum IterSource {
    /// Elements that match the slice (`None` is `*`; empty: all), oldest first when not sorted.
    Array { store: StoreId, slice: Vec<Option<Arg>> },
    /// Bucket indices of a histogram. User side only.
    Histogram { store: StoreId, keys: Vec<Arg> },
}

/// User side only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IterSort {
    pub by: IterSortBy,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IterSortBy {
    Key(usize),
    /// The value; a statistic's count.
    Value,
    Extractor(Extractor),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    Jump(Block),
    /// To `then` when `cond` is not 0.
    Branch {
        cond: Operand,
        then: Block,
        otherwise: Block,
    },
    /// To `then` when the comparison holds.
    BranchCompare {
        op: CmpOp,
        a: Operand,
        b: Operand,
        then: Block,
        otherwise: Block,
    },
    /// Loads the next element's keys and value and goes to `body`, or goes to `done`.
    IterNext {
        iter: Iter,
        keys: Vec<Var>,
        value: Option<Var>,
        body: Block,
        done: Block,
    },
    /// Leaves the function or handler. Variables of a handler vanish.
    Return(Option<Arg>),
    /// `next`: ends the handler, from inside functions too.
    Next,
    /// `error(message)`.
    Raise {
        message: StrOperand,
    },
    /// `abort()`: as Exit, and the handler ends here; not catchable.
    Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    Shl,
    /// Arithmetic.
    Shr,
    /// Logical.
    Lsr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CmpOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnOp {
    Neg,
    BitNot,
    /// 1 if 0, else 0.
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    Before,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extractor {
    Count,
    Sum,
    Min,
    Max,
    Avg,
    /// By the store's shift.
    Variance,
}

/// What a failed memory read does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnFault {
    /// Raises `"{what} at 0x{addr}"`: `what` is a literal such as "kernel string copy fault".
    Raise(StrId),
    /// Gives 0 or this text.
    Default(StrId),
    /// Gives 0 or "".
    Zero,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextField {
    /// The n-th argument of a tracepoint (raw_tp context word n).
    TraceArg(u8),
    SyscallNr,
    /// 0 to 5: an argument of the system call or of the function; 0 where a trampoline's function has fewer. At a
    /// function's return only [`EntryKind::Fentry`] has them.
    CallArg(u8),
    /// What the call gave back, in SysExit entries and at returns of functions.
    CallReturn,
    /// Address of the `pt_regs` of the user side (SysEnter/SysExit), the interrupted context (PerfEvent) or the probed
    /// function (Kprobe).
    Regs,
    /// Instruction pointer of the interrupted context (PerfEvent, Kprobe).
    InstructionPointer,
    /// A general register by its DWARF number, of the interrupted context (PerfEvent, Kprobe) or of the user side
    /// (SysEnter/SysExit); 0 for numbers there are none of, and elsewhere.
    Register(u8),
    /// The number of the site, [`SiteData::number`].
    SiteNumber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteField {
    Pp,
    Pn,
    Func,
    Name,
    Way,
}

/// Builtins with an implementation on both sides. In user space the "current task" is tapdeck itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intrinsic {
    /// () -> long: process id (thread group) of the current task.
    Pid,
    /// () -> long: thread id.
    Tid,
    /// () -> long: parent's process id.
    Ppid,
    /// () -> long
    Uid,
    /// () -> long
    Euid,
    /// () -> long
    Gid,
    /// () -> long
    Egid,
    /// () -> long: processor number.
    Cpu,
    /// () -> string of 16 bytes: the task's comm.
    Execname,
    /// () -> string of 16 bytes: the parent's comm.
    Pexecname,
    /// () -> long: address of the current task_struct.
    TaskCurrent,
    /// () -> long: 1 when the interrupted context is user mode (PerfEvent), or in a syscall entry.
    UserMode,
    /// () -> long: CLOCK_REALTIME in ns.
    RealtimeNs,
    /// () -> long: CLOCK_MONOTONIC in ns.
    MonotonicNs,
    /// () -> long: CLOCK_BOOTTIME in ns.
    BoottimeNs,
    /// () -> long: time stamp counter, or ns where there is none to read.
    Cycles,
    /// () -> long
    Jiffies,
    /// () -> long: 32 random bits.
    Random,
    /// () -> long: -c's or -x's process.
    Target,
    /// () -> long: cgroup id of the current task.
    CgroupId,
    /// () -> long: the number under which the stack of the kernel is kept; negative when it could not be. User side: -1.
    KernelStack,
    /// () -> long: the same of the user side's stack.
    UserStack,
    /// () -> long: the address of the probed instruction (Kprobe, Fentry at an entry), of the return to the caller (Kprobe at
    /// a return), or of the interrupted one (PerfEvent); else 0.
    Address,
    /// () -> long: where the function begins that a return is of; else 0.
    ReturnedFrom,
    /// () -> long: where the current task left user code, or 0.
    UserAddress,
    /// () -> long: 1 at the return of a function or system call.
    IsReturn,
    /// () -> long: 1 where [`ContextField::Register`] says something.
    HasRegisters,
    /// (string) -> long
    StrLen,
    /// (string, start, length) -> string
    Substr,
    /// (haystack, needle) -> long: 1 if inside.
    IsInStr,
    /// (string, index) -> long: that byte, or 0.
    StringAt,
    /// (string, base) -> long: base 8, 10, 16 or 0 as strtol(3); but blanks are not skipped and large numbers wrap.
    Strtol,
    /// (long) -> string of one byte.
    CharStr,
    /// (n) -> string: subexpression n of the last [`Op::Regex`] (0: all of it). User side only.
    Matched,
    /// () -> long: subexpressions of the last [`Op::Regex`], the whole included. User side only.
    NGroups,
}
