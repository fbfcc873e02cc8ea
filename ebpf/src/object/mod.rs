//! What code generation gives: maps, programs, type information; loadable as it is, or as an ELF file.

pub mod btf;
pub mod elf;
pub mod line_info;

use crate::ir::{SourceTag, StoreId};

/// A whole script as eBPF.
#[derive(Clone, Debug, Default)]
pub struct Object {
    pub maps: Vec<MapDef>,
    pub programs: Vec<ProgramDef>,
    /// Raw `.BTF`: types of the programs' functions.
    pub btf: Vec<u8>,
}

impl Object {
    /// Programs and their subprograms: as many function types [`Object::btf`] has.
    pub fn n_functions(&self) -> usize {
        self.programs.iter().map(|program| program.functions.len()).sum()
    }
}

/// Index into [`Object::maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapIndex(pub u32);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDef {
    /// At most 15 bytes, as the kernel keeps it.
    pub name: String,
    /// `BPF_MAP_TYPE_*` of uapi/linux/bpf.h.
    pub kind: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    pub role: MapRole,
    /// Content of element 0 of an array before anything runs.
    pub initial: Option<Vec<u8>>,
    /// Frozen before programs load, so the verifier knows the content.
    pub frozen: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapRole {
    /// What records come through: [`crate::layout::ring`]. One element, mmapable.
    Ring,
    /// A ring buffer of the kernel's whose only use is to wake the reader of [`MapRole::Ring`].
    Waker,
    /// Session state and switches: [`crate::layout::control`]. One element, mmapable.
    Control,
    /// Loss counters for each CPU: [`crate::layout::counters`].
    Counters,
    /// How long the handlers of each probe ran: [`crate::layout::times`].
    Times,
    /// Literals and site texts; frozen.
    Rodata,
    /// Scalars of the script, all in one mmapable element.
    Scalars,
    /// An array or a statistic.
    Store(StoreId),
    /// The table in front of an array: [`crate::layout::front`]. One element, mmapable.
    Front(StoreId),
    /// Stacks by number: the kernel's `BPF_MAP_TYPE_STACK_TRACE`.
    Stacks,
    /// Working memory.
    Scratch,
    /// Tail-call targets.
    Programs,
    /// Anything else the programs need.
    Internal,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProgramDef {
    /// At most 15 bytes.
    pub name: String,
    /// ELF section: `raw_tp/sys_enter`, `perf_event`, …
    pub section: String,
    pub kind: ProgramKind,
    /// Which IR entry it serves; `None` for tail-call targets' own programs.
    pub entry: Option<usize>,
    /// Put into this program array at this index.
    pub tail: Option<(MapIndex, u32)>,
    /// 8 bytes each, RFC 9669, subprograms appended.
    pub code: Vec<u8>,
    pub relocations: Vec<Relocation>,
    /// The program itself and its subprograms, in the order of their code; empty when BTF is not needed.
    pub functions: Vec<Function>,
    /// `(instruction index, where it came from)`, ascending.
    pub lines: Vec<(u32, SourceTag)>,
}

/// A function of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its first instruction.
    pub insn: u32,
    /// Its type in [`Object::btf`].
    pub ty: u32,
    pub name: String,
    /// Verified where it is used, not by itself.
    pub is_static: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProgramKind {
    RawTracepoint {
        name: String,
    },
    PerfEvent,
    /// At a function of the kernel or of `module`, whose type in that one's type information is `btf_id`.
    Fentry {
        function: String,
        module: Option<String>,
        btf_id: u32,
        exit: bool,
    },
    /// `multi`: for links to many functions at once.
    Kprobe {
        multi: bool,
        exit: bool,
    },
}

/// A 16-byte `lddw` that wants a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Index of the first of the two instructions.
    pub insn: u32,
    pub map: MapIndex,
    /// `Some`: the address of element 0 plus this many bytes; `None`: the map itself.
    pub value_offset: Option<u32>,
}
